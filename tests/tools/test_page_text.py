import pytest

from treadle.tools.page_text import FetchedPage, cut_page, decode_body, extract_text, strip_tags


def test_long_text_comes_in_pages_that_make_up_the_whole():
    text = "\n\n".join(f"Paragraph {number} of many." for number in range(200))
    told = [cut_page("T", "u", text, number, 1000) for number in range(1, 6)]
    assert told[0].startswith("T\nu\n(page 1 of 5; for more, call web_fetch with page=2)\n\n")
    assert told[-1].startswith("T\nu\n(page 5 of 5)\n\n")
    assert "\n\n".join(part.split("\n\n", 1)[1] for part in told) == text


def test_a_text_without_spaces_is_cut_all_the_same():
    told = cut_page("", "u", "x" * 250, 3, 100)
    assert told == "u\n(page 3 of 3)\n\n" + "x" * 50


@pytest.mark.parametrize(
    ("body", "parameters", "text"),
    [
        ("é".encode(), "", "é"),
        ("é".encode("cp1252"), "", "é"),
        ("\u201cé\u201d".encode("cp1252"), "charset=iso-8859-1", "\u201cé\u201d"),
        ("日本".encode("shift_jis"), 'charset="Shift_JIS"', "日本"),
        ("\ufeffé".encode(), "charset=latin-1", "é"),
        ("é".encode("utf-16"), "", "é"),
        (b"<?xml encoding='koi8-r'?>\xc1", "", "<?xml encoding='koi8-r'?>а"),  # noqa: RUF001
        (b"<meta charset=utf-16>x", "", "<meta charset=utf-16>x"),
        (b"say charset=utf-16", "", "say charset=utf-16"),
        (b"abc", "charset=punycode", "abc"),
        (b"abc", "charset=zip", "abc"),
        (b"abc", "charset=no-such", "abc"),
        (b"a\xffb", "charset=utf-8", "a\ufffdb"),
    ],
)
def test_text_is_decoded_by_mark_then_header_then_page_then_guess(body, parameters, text):
    assert decode_body(body, parameters) == text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("a<b>b</b>c", "abc"),
        ("<p>a</p><p>b</p>", " a  b "),
        ("a &lt;b&gt; &amp; 1 < 2", "a <b> & 1 < 2"),
        ("<h2>Top</h2>\ntext", "## Top\ntext"),
        ("a<script>\nx<y</script>b<!-- <p>\n -->c", "a\nb\nc"),
        ("<script>never closed <p>x", ""),
        ("<scripts>x", " x"),
    ],
)
def test_visible_text_is_what_a_reader_sees_on_the_same_lines(source, text):
    assert strip_tags(source).split() == text.split()
    assert strip_tags(source).count("\n") == source.count("\n")


@pytest.mark.parametrize(
    "source",
    [
        "<div>" * 20_000 + "deep",
        "<" * 50_000 + "deep",
        "<!--" * 20_000 + "-->deep",
        "<table>" + "<li>x" * 31_000 + "deep",
    ],
)
def test_html_made_to_hurt_gives_text_or_nothing_but_no_error(source):
    title, text = extract_text(FetchedPage("http://a.example/", "text/html", source))
    assert title == ""
    assert "deep" in text


def test_a_page_that_is_no_article_keeps_all_its_text():
    items = "".join(
        f"<div class='sidebar'><span>Item {number}</span></div>\n" for number in range(1200)
    )
    article = "<article><p>One caption that looks like prose.</p></article>"
    source = f"<html><body>{article}{items}</body></html>"
    _, text = extract_text(FetchedPage("http://a.example/", "text/html", source))
    assert "Item 0" in text
    assert "Item 1199" in text
