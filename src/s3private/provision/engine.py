"""One walk over an ordered list of steps is plan, provision and destroy; nothing is remembered between runs.

A step finds its resource anew every time, so a run that was killed is resumed by running again. Waiting is written
here once. The engine knows no cloud and has no clock of its own: time comes in as a `Clock`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, ClassVar, Generic, Protocol, TypeVar, cast

from s3private.errors import Conflict, NotYet, PlatformError, S3PrivateError


class State(StrEnum):
    READY = "ready"
    PENDING = "pending"
    FAILED = "failed"
    ELSEWHERE = "elsewhere"
    """What is missing is done by other people: there is nothing to wait for here."""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One thing on the path as it was last seen.

    detail: the platform's own word for its state. ours: made by this path, and so deleted with it.
    notes: what a person should know although nothing needs doing, such as a stranger's pending connection.
    doubles: the ids of others of its kind that carry nothing, made by two runs at once; `update` deletes them.
    until: who or what ends its present state where waiting does not; said when the engine stops waiting for it.
    """

    unseen_codes: ClassVar[tuple[str, ...]] = ()
    """In which words the platforms say that one does not exist, also to who has just made it."""

    id: str
    state: State = State.READY
    detail: str = ""
    ours: bool = True
    notes: tuple[str, ...] = ()
    doubles: tuple[str, ...] = ()
    until: str = ""

    @property
    def short_id(self) -> str:
        """An ARN's last parts say which; the rest says what everybody knows."""
        return self.id.split(":", 5)[-1] if self.id.startswith("arn:") else self.id


R = TypeVar("R", bound=Resource)


class NotFoundYet(LookupError):
    """A step asked for a resource that an earlier step has not made yet."""

    def __init__(self, kind: type[Resource]) -> None:
        super().__init__(kind.__name__)
        self.kind = kind


class StillInUse(S3PrivateError):
    """The platform will delete it once something else lets go: the engine waits and tries again. `until`: who lets go,
    where waiting alone does not end it."""

    def __init__(self, reason: str, until: str = "") -> None:
        super().__init__(reason)
        self.until = until


class Unsure(Conflict):
    """What is there may be this path's and does not show it, or is marked as this path's and is not what the path file
    says. No verb goes on: destroy, too, would call gone what it cannot see."""


class AlreadyThere(S3PrivateError):
    """The platform refused to make a second one: another run made it since this one looked."""


class Remains(S3PrivateError):
    """The platform will not let it go now. `until` says what or when would change that."""

    exit_code = 3

    def __init__(self, reason: str, until: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.until = until


class Found:
    """The resources found so far, keyed by their type: `found[LoadBalancer].id` type-checks."""

    def __init__(self, resources: Mapping[type[Resource], Resource] | None = None) -> None:
        self._resources = dict(resources or {})

    def __getitem__(self, kind: type[R]) -> R:
        resource = self.get(kind)
        if resource is None:
            raise NotFoundYet(kind)
        return resource

    def get(self, kind: type[R]) -> R | None:
        return cast("R | None", self._resources.get(kind))

    def having(self, resource: Resource) -> Found:
        return Found({**self._resources, type(resource): resource})


class Step(ABC, Generic[R]):
    """One thing that must be true on the path. One API call creates it, one deletes it."""

    kind: type[R]
    title: str
    side: ClassVar[str] = ""
    given: ClassVar[bool] = False
    """What it finds is the path file's, and is never made: where it is not there, nothing of the path can be seen."""
    refusals: ClassVar[tuple[type[Exception], ...]] = ()
    """The exceptions in which the platform's SDK says no; the engine turns them into PlatformError."""
    wait_seconds: ClassVar[float] = 600.0
    """How long this step's own states may take before the engine stops waiting."""
    removed_after: ClassVar[type[Resource] | None] = None
    """Destroy removes it right after the step of this kind, although it was made later."""
    holds: ClassVar[tuple[type[Resource], ...]] = ()
    """What destroy leaves alone while this remains: it stands on them, or the platform would refuse."""
    arrives_late: ClassVar[bool] = False
    """What it changes reaches compute minutes after the platform calls it done, and running compute perhaps never."""
    never_doubles: ClassVar[bool] = False
    """The platform refuses a second one, or makes nothing of it: what the plan saw is enough to create it."""

    @abstractmethod
    def find(self, found: Found) -> R | None:
        """Read only. Raises Conflict when what is there cannot be used and must not be replaced, and Unsure where it
        may be this path's all the same."""

    @abstractmethod
    def create(self, found: Found) -> R | None:
        """One API call. Returns the resource where the platform's answer tells all of it; else `find` will see it.

        Raises AlreadyThere.
        """

    @abstractmethod
    def delete(self, resource: R, found: Found) -> None:
        """Raises Remains, or StillInUse."""

    def leftover(self, found: Found) -> R | None:
        """What destroy has to delete. Differs from `find` where what must not be used may have to be removed: something
        unfinished, or something that stands in a conflict."""
        return self.find(found)

    def gone(self, resource: R | None) -> bool:
        """Whether nothing is left to delete."""
        return resource is None

    def absence(self, found: Found) -> str:
        """What `create` is about to do, for the plan, where "not there" does not say it all."""
        return "not there"

    def check(self, resource: R, found: Found) -> None:
        """Raises Conflict where what is there works, and cannot be made what the path file says. `found` holds what
        comes later in the path, too, where it was there before the run."""

    def drift(self, resource: R, found: Found) -> str | None:
        """Why the resource differs from what was asked, or None. `found`: as for `check`."""
        return None

    def follows(self, resource: R, found: Found) -> str | None:
        """For the plan: what will differ, and be updated, once an earlier step has done what it plans."""
        return None

    def update(self, resource: R, found: Found) -> R | None:
        """One API call that removes one difference; called again while `drift` finds another.

        Returns the resource where the platform's answer tells all of the change; else `find` will see it.
        """
        raise NotImplementedError(f"{self.title}: drift without update")

    def refusal(self, error: Exception) -> str:
        """The platform's own words."""
        return str(error)

    def code(self, error: BaseException | None) -> str:
        """The platform's code for it, or nothing."""
        return ""

    def again_after(self, error: BaseException | None) -> float | None:
        """Where a write may go well if it is asked again: for how many seconds what it may have done all the same is
        looked for first. None: it is refused, or was asked again already."""
        return None


AnyStep = Step[Any]


class Action(StrEnum):
    KEEP = "keep"
    WAIT = "wait"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    REMAINS = "remains"
    CONFLICT = "conflict"


@dataclass(frozen=True, kw_only=True)
class Change:
    """What one step needs, or did."""

    step: str
    action: Action
    id: str = ""
    reason: str = ""
    until: str = ""
    notes: tuple[str, ...] = ()
    late: bool = False
    """This run made it so, and compute sees it only after a while: see `Step.arrives_late`."""


class Outcome(StrEnum):
    SETTLED = "settled"
    PLANNED = "planned"
    REFUSED = "refused"
    RUN_AGAIN = "run-again"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a walk saw and did, as data; table and JSON are renderings of it."""

    verb: str
    changes: tuple[Change, ...] = ()
    outcome: Outcome = Outcome.SETTLED
    message: str = ""
    where: str = ""
    """Where was looked, in words: what is elsewhere was not seen."""
    elsewhere: str = ""
    """What the other side keeps, and who ends it, where only one side was looked at."""
    found: Found = field(default_factory=Found, repr=False, compare=False)

    @property
    def conflicts(self) -> tuple[Change, ...]:
        return tuple(c for c in self.changes if c.action is Action.CONFLICT)

    @property
    def pending(self) -> tuple[Change, ...]:
        """What is left to do."""
        return tuple(c for c in self.changes if c.action is not Action.KEEP)

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(note for change in self.changes for note in change.notes))


class Clock(Protocol):
    def now(self) -> float:
        """Seconds, from any beginning."""

    def sleep(self, seconds: float) -> None: ...


Progress = Callable[[str], None]

_MEANWHILE = "made meanwhile by another run, or by a request whose reply was lost"
_SILENCE_SECONDS = 30.0
"""A wait says at least this often that it is still waiting."""
_VISIBLE_SECONDS = 180.0
"""How long a created resource may stay invisible: the platforms' reads lag behind their writes."""
_AGAIN_SECONDS = 200.0
"""How long after its first failure a write that may go well is asked for again."""
_FRESH_SECONDS = 10.0
"""So long the plan's reading of what is given holds: nothing that the run makes changes it."""
_SAME_DRIFT_SECONDS = 60.0
"""How long a drift may stay visible after the update that should have removed it."""


@contextmanager
def _platform(step: AnyStep, verb: str) -> Iterator[None]:
    try:
        yield
    except step.refusals as error:
        raise PlatformError(f"{step.title}: {verb}: {step.refusal(error)}") from error
    except (KeyError, IndexError) as error:
        lacks = str(error.args[0]) if isinstance(error, KeyError) and error.args else "what was asked for"
        raise PlatformError(
            f"{step.title}: {verb}: the platform's answer is not as it is known: it lacks {lacks}"
        ) from error


def plan(steps: Sequence[AnyStep]) -> Report:
    """Read every step and say what provision would do. Makes no writing call."""
    found = Found()
    looked: list[tuple[AnyStep, Change, Resource | None]] = []
    for step in steps:
        change, resource = _look(step, found)
        looked.append((step, change, resource))
        if resource is not None:
            found = found.having(resource)
    changes = tuple(seen if there is None else _judge(step, seen, there, found) for step, seen, there in looked)
    report = Report(verb="plan", changes=changes, found=found)
    if report.conflicts:
        return replace(report, outcome=Outcome.REFUSED, message=report.conflicts[0].reason)
    return replace(report, outcome=Outcome.PLANNED if report.pending else Outcome.SETTLED)


def _look(step: AnyStep, found: Found) -> tuple[Change, Resource | None]:
    try:
        with _platform(step, "find"):
            resource = step.find(found)
    except NotFoundYet as missing:
        return Change(step=step.title, action=Action.CREATE, reason=f"after the {_words(missing.kind)}"), None
    except Conflict as conflict:
        return Change(step=step.title, action=Action.CONFLICT, reason=str(conflict)), None
    if resource is None:
        return Change(step=step.title, action=Action.CREATE, reason=step.absence(found)), None
    seen = Change(step=step.title, action=Action.KEEP, id=resource.id, reason=resource.detail, notes=resource.notes)
    return seen, resource


def _judge(step: AnyStep, seen: Change, resource: Resource, found: Found) -> Change:
    """What is there, against what was asked, once all of the path has been looked at."""
    try:
        step.check(resource, found)
        drift = step.drift(resource, found) or step.follows(resource, found)
    except NotFoundYet as missing:
        drift = f"after the {_words(missing.kind)}"
    except Conflict as conflict:
        return replace(seen, action=Action.CONFLICT, reason=str(conflict))
    if drift is not None:
        return replace(seen, action=Action.UPDATE, reason=drift)
    if resource.state is State.FAILED:
        return replace(seen, action=Action.CONFLICT, reason=_failed(step, resource))
    return replace(seen, action=Action.WAIT) if resource.state in (State.PENDING, State.ELSEWHERE) else seen


def provision(
    steps: Sequence[AnyStep],
    *,
    clock: Clock,
    timeout: float,
    poll: float = 10.0,
    progress: Progress = lambda _line: None,
    only: AnyStep | None = None,
) -> Report:
    """Plan, then make every step true, in order. Raises nothing that S3PrivateError covers: the Report carries it.

    timeout: seconds for the whole run. poll: seconds between two reads while waiting. only: make this step true and
    leave the others as they are; refused where one before it is missing.
    """
    looked = clock.now()
    try:
        planned = plan(steps)
    except S3PrivateError as error:
        return Report(verb="provision", outcome=Outcome.FAILED, message=str(error))
    if only is not None:
        planned = _for_one(planned, steps, only)
    if planned.outcome is not Outcome.PLANNED:
        return replace(planned, verb="provision")
    walk = _Walk(clock=clock, deadline=clock.now() + timeout, poll=poll, progress=progress)
    untouched = next(i for i, change in enumerate(planned.changes) if change.action is not Action.KEEP)
    changes = list(planned.changes[:untouched])
    found = planned.found
    for number, step in enumerate(steps[untouched:], untouched):
        if only is not None and step is not only:
            changes.append(planned.changes[number])
            continue
        given = planned.found.get(step.kind)
        keep = planned.changes[number].action is Action.KEEP and given is not None and step.given
        if keep and clock.now() - looked < _FRESH_SECONDS:
            changes.append(planned.changes[number])
            continue
        try:
            change, resource = walk.settle(step, found, planned.changes[number])
        except (NotYet, S3PrivateError) as error:
            rest = planned.changes[number:]
            outcome = _outcome(error)
            return Report(verb="provision", changes=(*changes, *rest), outcome=outcome, message=str(error), found=found)
        changes.append(change)
        found = found.having(resource)
    return Report(verb="provision", changes=tuple(changes), found=found)


def _for_one(planned: Report, steps: Sequence[AnyStep], only: AnyStep) -> Report:
    """The plan for one step alone: what the others need is left for a whole run."""
    changes = []
    for step, change in zip(steps, planned.changes, strict=True):
        if step is only or change.action is Action.KEEP:
            changes.append(change)
        elif change.action is Action.WAIT:
            return replace(planned, outcome=Outcome.RUN_AGAIN, message=f"{step.title}: {change.reason}")
        elif planned.found.get(step.kind) is None:
            message = f"{step.title}: {change.reason}: provision the whole path first"
            return replace(planned, outcome=Outcome.REFUSED, message=message)
        else:
            changes.append(replace(change, action=Action.KEEP, notes=(*change.notes, f"{step.title}: {change.reason}")))
    wanted = next(change for step, change in zip(steps, changes, strict=True) if step is only)
    outcome = {Action.KEEP: Outcome.SETTLED, Action.CONFLICT: Outcome.REFUSED}.get(wanted.action, Outcome.PLANNED)
    message = wanted.reason if outcome is Outcome.REFUSED else ""
    return replace(planned, changes=tuple(changes), outcome=outcome, message=message)


def destroy(
    steps: Sequence[AnyStep],
    *,
    clock: Clock,
    timeout: float,
    poll: float = 10.0,
    progress: Progress = lambda _line: None,
) -> Report:
    """Delete what the path made, last step first; go on past what the platform keeps, and report it.

    A deletion that failed ends the walk: what comes before in the path is what the rest is found by.
    """
    walk = _Walk(clock=clock, deadline=clock.now() + timeout, poll=poll, progress=progress)
    found = Found()
    here: list[tuple[AnyStep, Resource | None]] = []
    changes: list[Change] = []
    unseen = ""
    for step in steps:
        resource = None
        try:
            with _platform(step, "find"):
                resource = step.leftover(found)
        except NotFoundYet:
            resource = None  # what hangs on something absent is absent
        except Unsure as unsure:
            seen = Change(step=step.title, action=Action.CONFLICT, reason=str(unsure))
            return Report(verb="destroy", changes=(seen,), outcome=Outcome.REFUSED, message=str(unsure), found=found)
        except Conflict as conflict:
            changes.append(Change(step=step.title, action=Action.KEEP, reason=f"not this path's: {conflict}"))
            unseen = unseen or (str(conflict) if step.given else "")
        except S3PrivateError as error:
            return Report(verb="destroy", outcome=Outcome.FAILED, message=str(error))
        if resource is not None:
            found = found.having(resource)
        here.append((step, resource))
    outcome, message = Outcome.SETTLED, ""
    held: dict[type[Resource], str] = {}
    for step, resource in _backwards(here):
        if resource is None or (resource.ours and step.gone(resource)):
            continue
        if resource.ours and step.kind in held and outcome is Outcome.RUN_AGAIN:
            spared = Change(step=step.title, action=Action.REMAINS, id=resource.id, reason=f"under {held[step.kind]}")
            changes.append(replace(spared, until="that has gone"))
            continue
        if outcome in (Outcome.FAILED, Outcome.REFUSED):
            if resource.ours:
                untried = Change(step=step.title, action=Action.REMAINS, id=resource.id, reason="not tried yet")
                changes.append(replace(untried, until="what failed before it has gone"))
            continue
        try:
            changes.append(walk.remove(step, resource, found))
        except S3PrivateError as error:
            outcome, message = _outcome(error), str(error)
            changes.append(Change(step=step.title, action=Action.REMAINS, id=resource.id, reason=str(error)))
            held |= dict.fromkeys(step.holds, f"the {step.title}")
    if outcome is Outcome.SETTLED and any(c.action is Action.REMAINS for c in changes):
        outcome = Outcome.RUN_AGAIN
        message = (
            f"the platform keeps what is listed as remaining; run destroy again when it has let go: {_when(changes)}"
        )
    if unseen and outcome is Outcome.SETTLED and not any(c.action is Action.DELETE for c in changes):
        outcome, message = Outcome.REFUSED, f"nothing of the path was found where the path file says: {unseen}"
    return Report(verb="destroy", changes=tuple(changes), outcome=outcome, message=message, found=found)


def _when(changes: Sequence[Change]) -> str:
    """What or when ends each thing's remaining."""
    left = [change for change in changes if change.action is Action.REMAINS]
    return "; ".join(dict.fromkeys(f"{change.step}: {change.until or change.reason}" for change in left))


def _backwards(here: Sequence[tuple[AnyStep, Resource | None]]) -> list[tuple[AnyStep, Resource | None]]:
    """Last step first, but each that names one to be removed after comes right after that one."""
    order = list(reversed(here))
    for late in [one for one in order if one[0].removed_after is not None]:
        first = next((one for one in order if one[0].kind is late[0].removed_after), None)
        if first is not None:
            order.remove(late)
            order.insert(order.index(first) + 1, late)
    return order


def _outcome(error: S3PrivateError) -> Outcome:
    if isinstance(error, Conflict):
        return Outcome.REFUSED
    return Outcome.RUN_AGAIN if error.exit_code == NotYet.exit_code else Outcome.FAILED


def _words(kind: type[Resource]) -> str:
    """`LoadBalancer` -> `load balancer`."""
    return "".join(f" {c.lower()}" if c.isupper() else c for c in kind.__name__).strip()


def _failed(step: AnyStep, resource: Resource) -> str:
    return f"{step.title} {resource.short_id} is {resource.detail}: it cannot be used; remove it, then run again"


@dataclass(kw_only=True)
class _Walk:
    clock: Clock
    deadline: float
    poll: float
    progress: Progress
    made: dict[type[Resource], float] = field(default_factory=dict)
    """What this run has made, and when it was last seen to be so."""

    def settle(self, step: AnyStep, found: Found, planned: Change) -> tuple[Change, Resource]:
        """Find, create, update and wait until the step is true."""
        wait = _Wait(self, step)
        created = False
        reason = ""
        action = Action.KEEP
        mended: dict[str, float] = {}
        refused, since = "", 0.0
        seen: list[str] = []
        answer: Resource | None = None
        lost: _Lost | None = None
        look = not (step.never_doubles and planned.action is Action.CREATE)
        while True:
            resource, answer = answer, None
            if resource is None and look:
                resource = self._asked(step, "find", wait, step.find, found)
            look = True
            if resource is not None:
                step.check(resource, found)
            drift = step.drift(resource, found) if resource is not None else None
            if resource is None:
                if not created:
                    self.progress(f"{step.title}: create")
                    try:
                        answer = self._asked(step, "create", wait, step.create, found)
                        action, reason = Action.CREATE, "made"
                    except AlreadyThere as already:
                        refused, reason = f"{step.title}: create: {already}", _MEANWHILE
                    except PlatformError as error:
                        # It may be refused because it is there; a refusal is believed only after looking again.
                        with _platform(step, "find"):
                            answer = step.find(found)
                        lost = None if answer is not None else _Lost.again(step, error, self.clock.now(), lost)
                        reason = _MEANWHILE if lost is None else reason
                    else:
                        lost = None
                    created, since = True, self.clock.now()
                    self.made[step.kind] = since
                    wait.restart()
                    continue
                if refused and self.clock.now() - since >= _SAME_DRIFT_SECONDS:
                    raise PlatformError(refused)
                if lost is not None:
                    wait.once(lost.word, 2 * _AGAIN_SECONDS)
                    created = self.clock.now() < lost.due
                    continue
                wait.once("not visible yet", _VISIBLE_SECONDS)
            elif drift is not None and drift not in mended:
                self.progress(f"{step.title} {resource.short_id}: update: {drift}")
                seen += [f"{step.title} {double} was made by another run at once" for double in resource.doubles]
                answer = self._update(step, resource, found, drift, wait)
                mended[drift] = self.clock.now()
                # A resource that was made in this run is still a creation to its reader; one that `update` removed
                # is made again.
                created = created and resource.state is not State.FAILED
                if action is not Action.CREATE:
                    action, reason = Action.UPDATE, drift
            elif drift is not None:
                if self.clock.now() - mended[drift] >= _SAME_DRIFT_SECONDS:
                    raise PlatformError(f"{step.title} {resource.short_id}: updated, but still: {drift}")
                wait.once(f"updated, not visible yet: {drift}", _SAME_DRIFT_SECONDS * 2)
            elif resource.state is State.FAILED:
                raise PlatformError(_failed(step, resource))
            elif resource.state is State.ELSEWHERE:
                raise NotYet(f"{step.title}: {resource.detail}")
            elif resource.state is State.PENDING:
                if action is Action.KEEP:
                    action = Action.WAIT
                wait.once(resource.detail or "pending", step.wait_seconds, resource.until)
            else:
                if action is not Action.KEEP or wait.said:
                    self.progress(f"{step.title} {resource.short_id}: {resource.detail or 'ready'}")
                if created:
                    self.made[step.kind] = self.clock.now()
                done = Action.KEEP if action is Action.WAIT else action
                if done is Action.KEEP and planned.action is Action.CREATE:
                    reason = _MEANWHILE
                if reason == _MEANWHILE:
                    seen.append(f"{step.title} {resource.short_id} was {reason}")
                settled = Change(
                    step=step.title,
                    action=done,
                    id=resource.id,
                    reason=reason or resource.detail,
                    notes=(*resource.notes, *seen),
                    late=step.arrives_late and action is not Action.KEEP,
                )
                return settled, resource

    def _asked(
        self, step: AnyStep, verb: str, wait: _Wait, call: Callable[..., Resource | None], *what: Any
    ) -> Resource | None:
        """One call; made again for a while where it is told that something does not exist which this run has just made:
        what one call has made, the next one's answer may not know yet."""
        while True:
            try:
                with _platform(step, verb):
                    return call(*what)
            except PlatformError as error:
                unseen = self._unseen(step.code(error.__cause__))
                if unseen is None:
                    raise
                wait.once(f"{verb}: the {_words(unseen)} was just made and is not visible yet", _VISIBLE_SECONDS)

    def _unseen(self, code: str) -> type[Resource] | None:
        now = self.clock.now()
        recent = (kind for kind, since in self.made.items() if now - since <= _VISIBLE_SECONDS)
        return next((kind for kind in recent if code in kind.unseen_codes), None)

    def _update(self, step: AnyStep, resource: Resource, found: Found, drift: str, wait: _Wait) -> Resource | None:
        lost: _Lost | None = None
        while True:
            try:
                return self._asked(step, "update", wait, step.update, resource, found)
            except PlatformError as error:
                # Another run, or a request whose reply was lost, may have done it: then there is nothing to update.
                with _platform(step, "find"):
                    now: Resource | None = step.find(found)
                if now is None:
                    raise
                if step.drift(now, found) != drift:
                    return now
                lost = _Lost.again(step, error, self.clock.now(), lost)
            wait.once(lost.word, 2 * _AGAIN_SECONDS)

    def remove(self, step: AnyStep, resource: Resource, found: Found) -> Change:
        gone = Change(step=step.title, action=Action.DELETE, id=resource.id)
        if not resource.ours:
            return replace(gone, action=Action.KEEP, reason="not made by this path")
        wait = _Wait(self, step)
        asked = False
        self.progress(f"{step.title} {resource.short_id}: delete")
        while True:
            try:
                if not asked:
                    with _platform(step, "delete"):
                        step.delete(resource, found)
                    asked = True
                with _platform(step, "find"):
                    still = step.leftover(found)
            except PlatformError:
                # What another run, or a request whose reply was lost, has deleted cannot be deleted again.
                if asked or not self._absent(step, resource, found):
                    raise
                return gone
            except Remains as remains:
                self.progress(f"{step.title} {resource.short_id}: remains: {remains.reason}")
                return replace(gone, action=Action.REMAINS, reason=remains.reason, until=remains.until)
            except StillInUse as in_use:
                wait.once(f"in use: {in_use}", step.wait_seconds, in_use.until)
                continue
            except Unsure:
                # What it is unsure of now is something else: this one was found, and the platform took the deletion.
                if not asked:
                    raise
                return gone
            except (NotFoundYet, Conflict):
                return gone
            if still is None or step.gone(still) or still.id != resource.id:
                return gone
            wait.once(f"deleting: {still.detail}" if still.detail else "deleting", step.wait_seconds)

    @staticmethod
    def _absent(step: AnyStep, resource: Resource, found: Found) -> bool:
        with _platform(step, "find"):
            still = step.leftover(found)
        return still is None or step.gone(still) or still.id != resource.id


@dataclass(frozen=True, kw_only=True)
class _Lost:
    """A write that the platform may have done all the same, or may do when it is asked again. due: when it is."""

    said: str
    first: float
    due: float

    @classmethod
    def again(cls, step: AnyStep, error: PlatformError, now: float, before: _Lost | None) -> _Lost:
        """Raises the error: it is a refusal, or comes for too long."""
        after, first = step.again_after(error.__cause__), before.first if before else now
        if after is None or now + after - first > _AGAIN_SECONDS:
            raise error
        return cls(said=str(error).removeprefix(f"{step.title}: "), first=first, due=now + after)

    @property
    def word(self) -> str:
        return f"{self.said}: looked for, and asked again where it is not there"


def span(seconds: float) -> str:
    """A time in words: `90 s`, `9 min`, `2 h 5 min`."""
    if seconds < 120:
        return f"{int(seconds)} s"
    hours, minutes = divmod(int(seconds) // 60, 60)
    return f"{hours} h {minutes} min" if hours and minutes else f"{hours} h" if hours else f"{minutes} min"


class _Wait:
    """One step's waiting: says each change of state, and something every 30 seconds."""

    def __init__(self, walk: _Walk, step: AnyStep) -> None:
        self._walk = walk
        self._step = step
        self._word = ""
        self._word_since = walk.clock.now()
        self._spoke = walk.clock.now()
        self.said = False

    def restart(self) -> None:
        self._word = ""

    def once(self, word: str, at_most: float, until: str = "") -> None:
        """Sleep one poll. Raises NotYet past the run's deadline, or `at_most` seconds in this state. until: what a
        person does where waiting does not end it."""
        now = self._walk.clock.now()
        title = self._step.title
        if word != self._word:
            self._word, self._word_since = word, now
            self._speak(f"{title}: {word}", now)
        elif now - self._spoke >= _SILENCE_SECONDS:
            self._speak(f"{title}: {word}, {span(now - self._word_since)}", now)
        if now >= self._walk.deadline:
            again = until or "Nothing failed: run the same command again to go on"
            raise NotYet(f"{title}: stopped waiting: {word}. {again}")
        if now - self._word_since >= at_most:
            again = until or "Nothing is lost: run the same command again to go on"
            raise NotYet(f"{title}: still {word} after {span(at_most)}, longer than it takes as a rule. {again}")
        self._walk.clock.sleep(min(self._walk.poll, max(0.0, self._walk.deadline - now)))

    def _speak(self, line: str, now: float) -> None:
        self.said = True
        self._spoke = now
        self._walk.progress(line)
