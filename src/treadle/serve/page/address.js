// The addresses of the server, which may be mounted below another application's: none begins at the host's root.

const ROOT = new URL("..", import.meta.url).pathname; // this file is at ROOT/static/address.js

export function at(path) {
  return ROOT + path.slice(1);
}

export function threadPath(name) {
  const written = encodeURIComponent(name).replace(/\.json$/, "%2Ejson"); // else it leads to its JSON
  return at(`/threads/${written}`);
}

// The path that a URL has here, the other way round; null where it leads elsewhere.
export function within(url) {
  const here = url.origin === location.origin && url.pathname.startsWith(ROOT);
  return here ? url.pathname.slice(ROOT.length - 1) : null;
}
