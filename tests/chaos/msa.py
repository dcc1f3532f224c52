"""An MSA server that scenarios have in hand: it knows no homologues, and says what a scenario has it say."""

import io
import json
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from hashlib import sha224
from http import HTTPStatus
from urllib.parse import parse_qs

from support.answering import Asked, Reply, answering

from chaos.door import Door
from functions.alignments.colabfold import PAIRED_FILES, UNPAIRED_FILES

UNWELL = Reply(b"down for a while", HTTPStatus.SERVICE_UNAVAILABLE)
Say = Callable[[Asked], Reply | None]
"""What is said instead of the truth, or None for that."""


@dataclass
class MsaServer:
    """Speaks ColabFold's API. ``asked`` has the questions, each as kind and sequences, in their order."""

    asked: list[tuple[str, ...]] = field(default_factory=list)
    url: str = ""
    door: Door = field(init=False)
    searching: bool = False
    _questions: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _say: Say = lambda _asked: None

    def be_well(self) -> None:
        """Tell the truth from now on, at once."""
        self._say, self.searching = lambda _asked: None, False

    def says(self, *replies: Reply, about: str = "/") -> None:
        """Say something else to requests whose path has these words: one after the other, or one for all."""
        self.answers_by(_in_turn(replies) if len(replies) > 1 else lambda _asked: replies[0], about)

    def answers_by(self, say: Say, about: str = "/") -> None:
        """Ask a scenario first what to say to requests whose path has these words."""
        self._say = lambda asked: say(asked) if about in asked.path else None

    def forget(self) -> None:
        """Know no searches any more, as a server that was killed."""
        self._questions.clear()

    def answer(self, asked: Asked) -> Reply:
        """Answer a request."""
        if asked.method == "POST":
            return self._begin(asked)
        if said := self._say(asked):
            return said
        question = self._questions.get(asked.path.rpartition("/")[2])
        if "/result/" in asked.path and question:
            return Reply(archive(files(question)))
        return self._status(asked.path.rpartition("/")[2])

    def _begin(self, asked: Asked) -> Reply:
        form = parse_qs(asked.body.decode())
        kind, sequences = asked.path.rpartition("/")[2], form["q"][0].splitlines()[1::2]
        self.asked.append((kind, *sequences))
        if said := self._say(asked):
            return said
        ticket = sha224(asked.path.encode() + asked.body).hexdigest()
        self._questions[ticket] = self.asked[-1]
        return self._status(ticket)

    def _status(self, ticket: str) -> Reply:
        known = "RUNNING" if self.searching else "COMPLETE"
        word = known if ticket in self._questions else "UNKNOWN"
        return Reply(json.dumps({"id": ticket, "status": word}).encode())


def _in_turn(replies: Sequence[Reply]) -> Say:
    left = iter(replies)
    return lambda _asked: next(left, None)


def files(question: Sequence[str], query: Callable[[str], str] = str) -> Mapping[str, bytes]:
    """Return the files of an answer: each query alone, or what it is made."""
    kind, *sequences = question
    blocks = (f">{number}\n{query(each)}\n\0" for number, each in enumerate(sequences, 101))
    return dict.fromkeys(PAIRED_FILES if kind == "pair" else UNPAIRED_FILES, "".join(blocks).encode())


def archive(
    members: Mapping[str, bytes], hostile: Callable[[tarfile.TarFile], object] = lambda _made: None
) -> bytes:
    """Return files as a compressed archive, behind what ``hostile`` adds to it."""
    with io.BytesIO() as content:
        with tarfile.open(fileobj=content, mode="w:gz") as made:
            hostile(made)
            for name, text in members.items():
                member = tarfile.TarInfo(name)
                member.size = len(text)
                made.addfile(member, io.BytesIO(text))
        return content.getvalue()


@contextmanager
def msa_server() -> Iterator[MsaServer]:
    """Serve for a block, behind a door."""
    server = MsaServer()
    with ExitStack() as opened:
        url = opened.enter_context(answering(server.answer)).url
        server.door = opened.enter_context(closing(Door(int(url.rpartition(":")[2]))))
        server.url = f"http://127.0.0.1:{server.door.port}"
        yield server
