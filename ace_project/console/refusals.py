"""Domain errors as a page tells them: 404 for what is not there, a message for a refusal."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib import messages
from django.http import Http404, HttpRequest

from ace_project.core.errors import AceError, InvalidInput, NotFound


def told(error: AceError) -> str:
    """Return an error as one sentence with everything its fields say."""
    # What Django says of a field is a sentence already.
    said = (error.detail[:1].upper() + error.detail[1:]).removesuffix(".")
    if not isinstance(error, InvalidInput) or not error.errors:
        return f"{said}."
    fields = "; ".join(f"{e['pointer']} {e['message']}".strip() for e in error.errors[:3])
    return f"{said}: {fields}."


class _Shown:
    def __init__(self, request: HttpRequest) -> None:
        self.request = request

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        if not isinstance(error, AceError):
            return False
        messages.error(self.request, told(error))
        return True


def shown(request: HttpRequest) -> _Shown:
    """Turn a refusal in a block into a message on the next page; the rest of it is skipped."""
    return _Shown(request)


@contextmanager
def missing_is_404() -> Iterator[None]:
    """Answer 404 where the block asks for something that is not there."""
    try:
        yield
    except NotFound as error:
        raise Http404(error.detail) from error
