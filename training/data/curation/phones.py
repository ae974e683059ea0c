"""Telling phones from cameras by what they write to EXIF.

Phones blur backgrounds by computation. Fine-grained Defocus (appendix D) leaves their photographs
out of the pictures that shall show a lens' blur.
"""

from __future__ import annotations

import re

# Makers of phones and tablets that build no other cameras, as the beginning of what they write.
_PHONE_MAKERS = (
    *("alcatel", "amazon", "apple", "asus", "blackberry", "blackview", "coolpad", "cubot"),
    *("doogee", "essential", "fairphone", "gionee", "google", "hisense", "hmd", "honor", "htc"),
    *("huawei", "infinix", "itel", "kyocera", "lava", "leeco", "lenovo", "letv", "lg electronics"),
    *("lge", "meizu", "micromax", "microsoft", "motorola", "nokia", "nothing", "nubia", "oneplus"),
    *("oppo", "oukitel", "palm", "poco", "realme", "redmi", "research in motion", "sharp"),
    *("smartisan", "sonyericsson", "sony ericsson", "tcl", "tecno", "ulefone", "umidigi", "vivo"),
    *("vsmart", "wiko", "xiaomi", "zte"),
)
# Makers that build both.
_PHONES_OF = {
    "samsung": re.compile(r"galaxy|\b(sm|gt|sgh|sch|sph|shv|shw|sc)-", re.IGNORECASE),
    # Xperia phones have a letter and four digits, or a network's code.
    "sony": re.compile(
        r"xperia|^(xq-|so-\d|so[vgl]\d|sgp|lt\d|st\d|mt\d|[cdefghj]\d{4})", re.IGNORECASE
    ),
    "leica": re.compile(r"leitz phone", re.IGNORECASE),
}
# Phones that leave their maker out.
_NAMES = re.compile(
    r"iphone|ipad|ipod|galaxy|xperia|lumia|leitz phone"
    r"|\b(pixel|nexus) \w|\b(honor|redmi|oneplus)\b",
    re.IGNORECASE,
)


def is_phone(make: str | None, model: str | None) -> bool:
    """Whether a photograph was taken with a phone or tablet.

    Args:
        make, model: as EXIF has them; None is unknown.

    Example:
        >>> is_phone("SONY", "ILCE-7M3"), is_phone("Sony", "G8141"), is_phone("samsung", "SM-G991B")
        (False, True, True)
    """
    maker, name = (make or "").strip().lower(), (model or "").strip()
    if maker.startswith(_PHONE_MAKERS) or _NAMES.search(name):
        return True
    return any(
        maker.startswith(other) and bool(phones.search(name))
        for other, phones in _PHONES_OF.items()
    )
