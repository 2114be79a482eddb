"""Names of the business sums, and of the segments that they are kept by: what is written to the store is spelled here."""

from typing import Final

__all__ = [
    "CHANNEL_NAMES",
    "DEVICES",
    "DIMENSIONS",
    "MEASURES",
    "OTHER",
    "Measure",
    "channel_codes",
    "country_code",
    "country_name",
    "device_code",
]


class Measure:
    """Numbers of the sums. Additive ones are kept by day and by hour; those below `GAPS` count users by the days to their last (or next)
    such day, so that the distinct users of any window can be had from them (docs/scoring.md)."""

    GAPS: Final = 16
    ACTIVE: Final = 1  # by days since the user's active day before: 1 to 30, 31 longer ago, 0 never
    RETAINED: Final = 2  # of the users first active on this day: 1, 7 or 30 days after
    BUYERS: Final = 3  # by days since the user's order day before: 1 to 30, 31 longer ago or never
    REPEATERS: Final = 4  # signed: at days back to where a window may begin so that the second order is on this day
    CONVERTERS: Final = 5  # as BUYERS
    PROMOTERS: Final = 6  # by days until the user's next answer: 1 to 30, 31 later or never
    PASSIVES: Final = 7
    DETRACTORS: Final = 8
    VISITS: Final = 16
    ENGAGED_VISITS: Final = 17
    PAGE_VIEWS: Final = 18
    INTERACTIONS: Final = 19
    INTERACTION_POINTS: Final = 20  # thousandths
    SHARES: Final = 21
    SHARE_VISITS: Final = 22
    ORDERS: Final = 23
    REFUNDS: Final = 24
    CONVERSIONS: Final = 25
    SALES: Final = 26  # minor units of everything that was bought
    RETURNS: Final = 27  # minor units of everything that was given back, positive
    CARTS: Final = 28
    CART_ORDERS: Final = 29
    SENDS: Final = 30
    DELIVERIES: Final = 31
    OPENS: Final = 32
    CLICKS: Final = 33
    SIGN_UPS: Final = 34
    ACTIVATIONS: Final = 35  # on the day of the sign-up
    CANCELLATIONS: Final = 36
    EXPANSION: Final = 37  # minor units
    CONTRACTION: Final = 38  # minor units, positive
    OPT_INS: Final = 39
    OPT_OUTS: Final = 40
    WRONG_ANSWERS: Final = 41  # answers outside of their scale
    UNTRACKED_FEATURES: Final = 42  # uses of a feature by somebody who had used too many others


#: Number -> name.
MEASURES: Final = {number: name.lower() for name, number in vars(Measure).items() if isinstance(number, int) and name != "GAPS"}

#: Segment dimensions; 0 is everything.
DIMENSIONS: Final = ("", "country", "device", "channel", "category")
#: Value 0 of each dimension is `unknown`, value 1 `other`.
OTHER: Final = 1
#: Positions are stored in states: append only.
DEVICES: Final = ("unknown", "other", "desktop", "mobile", "tablet", "tv", "console", "wearable")
CHANNEL_NAMES: Final = (
    "unknown",
    "other",
    "email",
    "sms",
    "push",
    "webpush",
    "inapp",
    "direct",
    "referral",
    "organic",
    "paid",
    "social",
    "affiliate",
    "share",
)

_DEVICE_ALIASES: Final = {
    "web": "desktop",
    "windows": "desktop",
    "macos": "desktop",
    "linux": "desktop",
    "pc": "desktop",
    "laptop": "desktop",
    "ios": "mobile",
    "android": "mobile",
    "phone": "mobile",
    "smartphone": "mobile",
    "iphone": "mobile",
    "ipad": "tablet",
    "smart tv": "tv",
    "smarttv": "tv",
    "tvos": "tv",
    "watch": "wearable",
    "watchos": "wearable",
}
_SOURCE_CHANNELS: Final = {
    "google": "organic",
    "bing": "organic",
    "duckduckgo": "organic",
    "ecosia": "organic",
    "adwords": "paid",
    "google_ads": "paid",
    "facebook_ads": "paid",
    "facebook": "social",
    "instagram": "social",
    "tiktok": "social",
    "twitter": "social",
    "x": "social",
    "linkedin": "social",
    "pinterest": "social",
    "youtube": "social",
    "newsletter": "email",
    "share": "share",
    "invite": "share",
}


def device_code(text: str) -> int:
    """Position in `DEVICES` of what a tracker calls a device."""
    name = text.strip().casefold()
    if not name:
        return 0
    name = _DEVICE_ALIASES.get(name, name)
    return DEVICES.index(name) if name in DEVICES else OTHER


def country_code(text: str) -> int:
    """A country of two letters as a number; `OTHER` for another spelling, 0 for none."""
    name = text.strip().upper()
    if not name:
        return 0
    return ord(name[0]) << 8 | ord(name[1]) if len(name) == 2 and name.isascii() and name.isalpha() else OTHER


def country_name(code: int) -> str:
    """The country that `country_code` made a number of."""
    return ("unknown", "other")[code] if code < 2 else chr(code >> 8) + chr(code & 255)


def channel_codes(configured: dict[str, str]) -> dict[str, int]:
    """Source, in lower case -> position in `CHANNEL_NAMES`; `configured` comes before what is known of the usual ones."""
    names = {name: name for name in CHANNEL_NAMES} | _SOURCE_CHANNELS | {source.casefold(): name for source, name in configured.items()}
    return {source: CHANNEL_NAMES.index(name) for source, name in names.items()}
