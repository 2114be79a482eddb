"""In which language somebody is answered: `?lang=`, else what the browser prefers, else English."""

from typing import Final

from starlette.requests import Request

from streams.core.words import Language

__all__ = ["LANGUAGES", "language_of"]

LANGUAGES: Final[tuple[Language, ...]] = ("en", "de")
_MOST_CHARACTERS: Final = 200


def language_of(request: Request) -> Language:
    """The language of `LANGUAGES` that suits the one who asks best."""
    asked = request.query_params.get("lang")
    for language in LANGUAGES:
        if asked == language:
            return language
    best, weight = LANGUAGES[0], 0.0
    for part in request.headers.get("accept-language", "")[:_MOST_CHARACTERS].split(","):
        tag, _, parameter = part.strip().partition(";")
        for language in LANGUAGES:
            if tag.split("-")[0].lower() == language and _weight(parameter) > weight:
                best, weight = language, _weight(parameter)
    return best


def _weight(parameter: str) -> float:
    name, _, value = parameter.partition("=")
    try:
        return float(value) if name.strip() == "q" else 1.0
    except ValueError:
        return 0.0
