// As talk.py, for clients in JavaScript.

export const ADDRESS = process.env.SERVER;
export const KEY = process.env.SERVER_KEY;

export async function talk(ask) {
  for (const text of ["hello", "a long tale", "order lamps"]) {
    console.log(JSON.stringify({ says: text }));
    let answer = null;
    for (let attempt = 0; answer === null && attempt < 40; attempt += 1) {
      try {
        answer = await ask(text);
      } catch (error) {
        console.error(`${error}`);
        await new Promise((wake) => setTimeout(wake, 500));
      }
    }
    console.log(JSON.stringify({ answer }));
  }
}
