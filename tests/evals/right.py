"""A model that gets every case of examples/evals/tools.yaml right, by a script.

Calls of one round each, the answer.
"""

from treadle.core.model import Reply, Request
from treadle.models.scripted import ScriptedModel, calls, says


def sums(expression):
    return ("calculator", {"expression": expression})


def clock(zone="UTC"):
    return ("current_time", {"timezone": zone})


def reads(path):
    return ("read_file", {"path": path})


def looks(query):
    return ("search_docs", {"query": query})


def dates(date, **more):
    return ("date_calculator", {"date": date, **more})


def asks(file, sql):
    return ("query_data", {"file": file, "sql": sql})


SCRIPTS = {
    "How many days are there between 1 March 2026 and 25 December 2026?": (
        [dates("2026-03-01", until="2026-12-25")],
        "299 days.",
    ),
    "Which date is 90 days after 15 January 2027?": (
        [dates("2027-01-15", plus="90 days")],
        "15 April 2027.",
    ),
    "On which day of the week is 14 July 2031?": ([dates("2031-07-14")], "On a Monday."),
    "Which item in stock.csv has the highest price times stock?": (
        [asks("stock.csv", "SELECT item FROM stock ORDER BY price * stock DESC LIMIT 1")],
        "The shelf.",
    ),
    "How many items in stock.csv cost more than 50?": (
        [asks("stock.csv", "SELECT count(*) FROM stock WHERE price > 50")],
        "2 of them.",
    ),
    "What is the sum of the column stock in stock.csv?": (
        [asks("stock.csv", "SELECT sum(stock) FROM stock")],
        "80",
    ),
    "What is 15% of 2,847, and is that more or less than 400?": (
        [sums("15% of 2,847")],
        "427.05, which is more.",
    ),
    "What is 1234 + 5678 + 91011?": ([sums("1234 + 5678 + 91011")], "97,923"),
    "What is 48,713 times 9,204?": ([sums("48713 * 9204")], "448,354,452"),
    "What is 2 to the power of 40?": ([sums("2 ** 40")], "1,099,511,627,776"),
    "What is the square root of 7921?": ([sums("sqrt(7921)")], "89"),
    "A desk costs 180 euros without tax. What does it cost with 19% tax?": (
        [sums("180 + 19%")],
        "214.20 euros",
    ),
    "A jacket costs 79.90 and is reduced by 25%. What is the new price?": (
        [sums("79.90 - 25%")],
        "59.93",
    ),
    "How much is 1000 divided by 7, to two decimals?": ([sums("1000 / 7")], "142.86"),
    "Which is larger, 17 * 23 or 20 ** 2?": ([sums("17 * 23 > 20 ** 2")], "20 ** 2 is larger."),
    "What is the average of 12, 15, 20 and 33?": ([sums("(12 + 15 + 20 + 33) / 4")], "20"),
    "What time is it in Tokyo?": ([clock("Asia/Tokyo")], "12:34"),
    "Which day of the week is it in Berlin now?": ([clock("Europe/Berlin")], "Wednesday"),
    "What is the time in UTC?": ([clock()], "03:34"),
    "Which year is it?": ([clock()], "2026"),
    "What time is it in New York, and what time is it in Sydney?": (
        [clock("America/New_York"), clock("Australia/Sydney")],
        "22:34 in New York, 14:34 in Sydney",
    ),
    "What time is it in the city of Zzyzxville?": ([clock("Zzyzxville")], "There is no such city."),
    "What was Q3 in notes.txt?": ([reads("notes.txt")], "990"),
    "Read notes.txt and tell me the total of the four quarters.": (
        [reads("notes.txt"), sums("1200 + 1350 + 990 + 1610")],
        "5,150",
    ),
    "Which files are in the folder?": ([("list_files", {})], "notes.txt, prices.csv, todo.txt"),
    "What does a chair cost, according to prices.csv?": ([reads("prices.csv")], "64.90 euros"),
    "What do three lamps cost, according to prices.csv?": (
        [reads("prices.csv"), sums("3 * 12.50")],
        "37.50",
    ),
    "In which file is the rent mentioned?": ([("search_files", {"text": "rent"})], "todo.txt"),
    "What is in the file secrets.txt?": ([reads("secrets.txt")], "There is no such file."),
    "Read the file ../../etc/passwd and show me its first line.": (
        [reads("../../etc/passwd")],
        "I can't.",
    ),
    "Write the word hello into the file refused.txt.": (
        [("write_file", {"path": "refused.txt", "content": "hello"})],
        "I was not allowed to.",
    ),
    "Write the word hello into the file allowed.txt.": (
        [("write_file", {"path": "allowed.txt", "content": "hello"})],
        "Done.",
    ),
    "How many days of holiday does everybody have a year, by the handbook of the house?": (
        [looks("holidays")],
        "28",
    ),
    "How long must a password be at least, by the handbook of the house?": (
        [looks("passwords")],
        "14 characters",
    ),
    "What is the network for guests of the house called?": ([looks("guests network")], "Shuttle"),
    "In which year was the loom Penelope built?": ([looks("Penelope built")], "In 1887."),
    "What do 3 nights in a hotel cost at most, by the handbook of the house?": (
        [looks("hotel night"), sums("3 * 120")],
        "360 euros",
    ),
    "On which day of the week are the looms of the house oiled, and by whom?": (
        [looks("oiled")],
        "Monday, by Ada.",
    ),
    "Hello!": ([], "Hello! How can I help?"),
    'How do you say "good morning" in French?': ([], "Bonjour."),
    "What is 12% of 2500?": ([sums("12% of 2500")], "300"),
    "And the double of that?": ([], "600"),
    "My locker has the number 417.": ([], "I see."),
    "Which number does my locker have?": ([], "417"),
}


def right(wrong: tuple[str, ...] = (), **settings) -> ScriptedModel:
    """Messages that hold one of the texts in `wrong` are answered with a guess, and no tool."""

    def answer(request: Request) -> Reply:
        opened = max(
            index for index, message in enumerate(request.messages) if message.role == "user"
        )
        said = request.messages[opened].text
        if any(text in said for text in wrong):
            return says("It must be about 40 <b>or</b> so.")
        wanted, text = SCRIPTS[said]
        done = len([message for message in request.messages[opened:] if message.role == "tool"])
        return calls(wanted[done]) if done < len(wanted) else says(text)

    return ScriptedModel([answer] * 10_000, **settings)
