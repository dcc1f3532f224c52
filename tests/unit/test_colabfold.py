"""What the client of an MSA server makes of each answer, right, wrong or hostile, of a real HTTP server."""

import gzip
import io
import json
import tarfile
from collections.abc import Callable, Iterator
from threading import Event

import pytest
from support.answering import Answering, Asked, Reply, answering
from support.patience import HANG

from functions.alignments import archive, colabfold
from functions.alignments.colabfold import UNPAIRED_FILES, ColabFold
from functions.alignments.server import RefusedError, SearchFailedError, TroubleError

SEQUENCE = "NLYIQ"
TICKET = "Zm9v-bar_"
WELL = ">101\nNLYIQ\n>hit\nNLYVQ\n\0"


def nothing(_made: tarfile.TarFile) -> None:
    pass


def packed(
    files: dict[str, bytes], *, hostile: Callable[[tarfile.TarFile], object] = lambda _: None
) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as made:
        hostile(made)
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            made.addfile(member, io.BytesIO(text))
    return content.getvalue()


def files(text: str = WELL) -> dict[str, bytes]:
    return dict.fromkeys(UNPAIRED_FILES, text.encode())


def status(word: str, **more: str) -> Reply:
    return Reply(json.dumps({"id": TICKET, "status": word, **more}).encode())


class Script:
    """A server that is well, but for what a test changes: its answers by the beginning of the path."""

    def __init__(self) -> None:
        self.answers: dict[str, Iterator[Reply] | Reply] = {
            "POST /ticket/": status("PENDING"),
            "GET /ticket/": status("COMPLETE"),
            "GET /result/": Reply(packed(files())),
        }

    def __call__(self, asked: Asked) -> Reply:
        line = f"{asked.method} {asked.path}"
        found = next(answer for start, answer in self.answers.items() if line.startswith(start))
        return found if isinstance(found, Reply) else next(found)


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def server(script: Script) -> Iterator[Answering]:
    with answering(script) as running:
        yield running


def client(url: str) -> ColabFold:
    return ColabFold(url, "dropfold/test (a@b.example)", sleep=lambda _seconds: None)


def ask(url: str, *, times: int = 100) -> list[str] | None:
    left = iter(range(times))
    return client(url).unpaired([SEQUENCE], lambda: next(left, None) is not None)


def test_nothing_is_sent_but_letters_the_mode_and_who_asks(server: Answering) -> None:
    found = ask(server.url)
    assert found == [(">101\nNLYIQ\n>hit\nNLYVQ\n") * 2]
    first = server.asked[0]
    assert (first.method, first.path) == ("POST", "/ticket/msa")
    assert first.body == b"q=%3E101%0ANLYIQ%0A&mode=env"
    assert first.headers["User-Agent"] == "dropfold/test (a@b.example)"
    assert [each.path for each in server.asked[1:]] == [f"/ticket/{TICKET}", f"/result/download/{TICKET}"]
    assert "Authorization" not in first.headers


def test_pairs_are_asked_for_in_the_way_that_is_set(server: Answering, script: Script) -> None:
    pair = {"pair.a3m": b">101\nNLYIQ\n\0>102\nGSGS\n\0"}
    script.answers["GET /result/"] = Reply(packed(pair))
    complete = ColabFold(server.url, "dropfold/test", "complete", sleep=lambda _seconds: None)
    assert complete.paired([SEQUENCE, "GSGS"], lambda: True) == [">101\nNLYIQ\n", ">102\nGSGS\n"]
    assert server.asked[0].path == "/ticket/pair"
    assert server.asked[0].body.endswith(b"&mode=paircomplete-env")


def test_credentials_go_with_every_call(server: Answering) -> None:
    secret = ColabFold(
        server.url, "dropfold/test", credentials=lambda: {"X-API-Key": "k"}, sleep=lambda _seconds: None
    )
    secret.unpaired([SEQUENCE], lambda: True)
    assert {each.headers["X-API-Key"] for each in server.asked} == {"k"}


def test_no_proxy_of_the_environment_is_used(server: Answering, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert ask(server.url)


def test_a_search_that_takes_longer_is_not_waited_for(server: Answering, script: Script) -> None:
    script.answers["GET /ticket/"] = status("RUNNING")
    assert ask(server.url, times=3) is None
    assert len(server.asked) == 4


TROUBLE: dict[str, tuple[dict[str, Reply], str, float]] = {
    "too often": ({"POST /ticket/": Reply(b'{"status":"RATELIMIT"}', 429)}, "asked too often", 60),
    "too often, as JSON alone": ({"POST /ticket/": status("RATELIMIT")}, "asked too often", 60),
    "maintenance": ({"POST /ticket/": status("MAINTENANCE")}, "being maintained", 600),
    "blocked": ({"POST /ticket/": Reply(b"<html>403 Forbidden", 403)}, "has blocked this address", 0),
    "credentials": ({"POST /ticket/": Reply(b"", 401)}, "status 401", 0),
    "down": ({"POST /ticket/": Reply(b"<html>\n<b>oops</b>", 502)}, "status 502: <html> <b>oops</b>", 0),
    "down at the end": ({"GET /result/": Reply(b"no upstream", 503)}, "status 503: no upstream", 0),
    "a page": ({"POST /ticket/": Reply(b"<html>hello")}, "status 200 and no ticket: <html>hello", 0),
    "no status": ({"POST /ticket/": Reply(b'{"error":"bad"}', 404)}, "status 404 and no ticket", 0),
    "a strange id": ({"POST /ticket/": Reply(b'{"id":"../x","status":"PENDING"}')}, "no ticket", 0),
    "no id": ({"POST /ticket/": Reply(b'{"status":"PENDING"}')}, "no ticket for a question", 0),
    "a lost search": ({"GET /ticket/": status("UNKNOWN")}, "does not know a search", 0),
}


@pytest.mark.parametrize("name", TROUBLE)
def test_what_says_nothing_about_the_question_is_trouble(
    name: str, server: Answering, script: Script
) -> None:
    answers, said, seconds = TROUBLE[name]
    script.answers = {**answers, **{key: old for key, old in script.answers.items() if key not in answers}}
    with pytest.raises(TroubleError, match=said) as caught:
        ask(server.url)
    assert seconds <= caught.value.seconds <= seconds * 1.5


def test_a_redirect_is_not_followed(server: Answering, script: Script) -> None:
    with answering(lambda _asked: status("PENDING")) as elsewhere:
        script.answers["POST /ticket/"] = Reply(b"", 307, (("Location", f"{elsewhere.url}/ticket/msa"),))
        with pytest.raises(TroubleError, match="redirect"):
            ask(server.url)
        assert elsewhere.asked == []


def test_a_server_that_is_not_there_is_trouble() -> None:
    with answering(lambda _asked: Reply()) as gone:
        pass
    with pytest.raises(TroubleError, match="connection refused"):
        ask(gone.url)


def test_a_server_that_says_nothing_is_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(colabfold, "READ_SECONDS", 0.2)
    over = Event()

    def silent(_asked: Asked) -> Reply:
        over.wait(HANG)
        return Reply()

    with answering(silent) as server:
        with pytest.raises(TroubleError, match="nothing for 0 s"):
            ask(server.url)
        over.set()


def test_a_question_that_is_not_taken_is_refused_in_its_words(server: Answering, script: Script) -> None:
    script.answers["POST /ticket/"] = Reply(b"unsupported letters\x1b[31m\n", 400)
    with pytest.raises(RefusedError, match=r"^unsupported letters \[31m$"):
        ask(server.url)


HOSTILE: dict[str, tuple[Reply, str]] = {
    "no archive": (Reply(b"<html>"), "a broken archive"),
    "cut off": (Reply(packed(files())[:60]), "a broken archive"),
    "status": (Reply(b"oops", 500), "status 500 for a search that is complete"),
    "a file less": (Reply(packed({"uniref.a3m": WELL.encode()})), "an archive without bfd"),
    "another query": (Reply(packed(files(">101\nNLYIV\n\0"))), "another query than sequence 1"),
    "another width": (Reply(packed(files(">101\nNLYIQ\n>a\nNLY\n\0"))), "a row of another width"),
    "another number": (Reply(packed(files(">7\nNLYIQ\n\0"))), "a block '7', which was not asked for"),
    "nothing in it": (Reply(packed(files(""))), "no alignment of sequence 1"),
    "a long line": (Reply(packed(files(f">101\n{'N' * 300_000}\n"))), "a line of more than"),
    "names that lead out": (
        Reply(packed({"../uniref.a3m": WELL.encode(), "/etc/passwd": b"x"})),
        "an archive without uniref.a3m",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_an_answer_that_is_none_fails_the_search(name: str, server: Answering, script: Script) -> None:
    script.answers["GET /result/"], said = HOSTILE[name]
    with pytest.raises(SearchFailedError, match=said):
        ask(server.url)


def test_a_search_that_fails_is_told_from_trouble(server: Answering, script: Script) -> None:
    script.answers["GET /ticket/"] = status("ERROR")
    with pytest.raises(SearchFailedError, match="an error"):
        ask(server.url)


def test_links_are_not_followed_nor_devices_read(server: Answering, script: Script) -> None:
    def links(made: tarfile.TarFile) -> None:
        for name, kind in zip(UNPAIRED_FILES, (tarfile.SYMTYPE, tarfile.CHRTYPE), strict=True):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            made.addfile(member)

    script.answers["GET /result/"] = Reply(packed({}, hostile=links))
    with pytest.raises(SearchFailedError, match=r"without uniref\.a3m"):
        ask(server.url)


def test_an_archive_that_unpacks_to_more_than_there_is_room_for_is_not_read(
    server: Answering, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MAX_UNPACKED_BYTES", 10_000)
    bomb = packed({"bomb": bytes(100_000), **files()})
    assert len(bomb) < 1000
    script.answers["GET /result/"] = Reply(bomb)
    with pytest.raises(SearchFailedError, match=r"files of more than 10,000 bytes"):
        ask(server.url)


def test_an_archive_that_is_too_large_is_not_kept(
    server: Answering, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(colabfold, "MAX_ARCHIVE_BYTES", 1000)
    script.answers["GET /result/"] = Reply(gzip.compress(b"x", 0) + bytes(2000))
    with pytest.raises(SearchFailedError, match="an archive of more than 1,000 bytes"):
        ask(server.url)


def test_a_server_tells_how_many_wait(server: Answering, script: Script) -> None:
    script.answers["GET /queue"] = Reply(b'{"queued": 3}')
    assert client(server.url).queued() == 3
    script.answers["GET /queue"] = Reply(b"<html>")
    with pytest.raises(TroubleError, match="no length of its queue"):
        client(server.url).queued()
