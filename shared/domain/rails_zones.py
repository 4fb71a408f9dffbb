"""The time zone names that Rails applications use, as some partners' systems send them.

Owns the two lists. Must never be changed by code. Most names are their zone's city: `Buenos Aires`, `Tokyo`.
"""

from collections.abc import Mapping

_NAMED_BY_CITY = """
America/Tijuana America/Chihuahua America/Mazatlan America/Mexico_City America/Monterrey America/Bogota
America/Lima America/Caracas America/La_Paz America/Santiago America/Argentina/Buenos_Aires
America/Montevideo America/Puerto_Rico Atlantic/Azores Europe/Dublin Europe/London Europe/Lisbon
Africa/Casablanca Africa/Monrovia Etc/UTC Europe/Belgrade Europe/Bratislava Europe/Budapest Europe/Ljubljana
Europe/Prague Europe/Sarajevo Europe/Skopje Europe/Warsaw Europe/Zagreb Europe/Brussels Europe/Copenhagen
Europe/Madrid Europe/Paris Europe/Amsterdam Europe/Berlin Europe/Zurich Europe/Rome Europe/Stockholm
Europe/Vienna Europe/Bucharest Africa/Cairo Europe/Helsinki Europe/Kyiv Europe/Riga Europe/Sofia
Europe/Tallinn Europe/Vilnius Europe/Athens Europe/Istanbul Europe/Minsk Asia/Jerusalem Africa/Harare
Europe/Kaliningrad Europe/Moscow Europe/Volgograd Europe/Samara Asia/Kuwait Asia/Riyadh Africa/Nairobi
Asia/Baghdad Asia/Tehran Asia/Muscat Asia/Baku Asia/Tbilisi Asia/Yerevan Asia/Kabul Asia/Karachi
Asia/Tashkent Asia/Kolkata Asia/Kathmandu Asia/Dhaka Asia/Almaty Asia/Novosibirsk Asia/Bangkok Asia/Jakarta
Asia/Krasnoyarsk Asia/Hong_Kong Asia/Urumqi Asia/Kuala_Lumpur Asia/Singapore Asia/Taipei Australia/Perth
Asia/Irkutsk Asia/Ulaanbaatar Asia/Seoul Asia/Tokyo Asia/Yakutsk Australia/Darwin Australia/Adelaide
Australia/Melbourne Australia/Sydney Australia/Brisbane Australia/Hobart Asia/Vladivostok Pacific/Guam
Pacific/Port_Moresby Asia/Magadan Asia/Srednekolymsk Pacific/Fiji Asia/Kamchatka Pacific/Auckland
"""

_NAMED_OTHERWISE = """
Pacific/Midway: International Date Line West; Midway Island
Pacific/Pago_Pago: American Samoa
Pacific/Honolulu: Hawaii
America/Juneau: Alaska
America/Los_Angeles: Pacific Time (US & Canada)
America/Denver: Mountain Time (US & Canada)
America/Phoenix: Arizona
America/Chicago: Central Time (US & Canada)
America/Regina: Saskatchewan
America/Mexico_City: Guadalajara
America/Guatemala: Central America
America/New_York: Eastern Time (US & Canada)
America/Indiana/Indianapolis: Indiana (East)
America/Lima: Quito
America/Halifax: Atlantic Time (Canada)
America/St_Johns: Newfoundland
America/Sao_Paulo: Brasilia
America/Guyana: Georgetown
America/Nuuk: Greenland
Atlantic/South_Georgia: Mid-Atlantic
Atlantic/Cape_Verde: Cape Verde Is.
Europe/London: Edinburgh
Europe/Zurich: Bern
Africa/Algiers: West Central Africa
Europe/Kyiv: Kiev
Africa/Johannesburg: Pretoria
Europe/Moscow: St. Petersburg
Asia/Muscat: Abu Dhabi
Asia/Yekaterinburg: Ekaterinburg
Asia/Karachi: Islamabad
Asia/Kolkata: Chennai; Mumbai; New Delhi
Asia/Dhaka: Astana
Asia/Colombo: Sri Jayawardenepura
Asia/Yangon: Rangoon
Asia/Bangkok: Hanoi
Asia/Shanghai: Beijing; Chongqing
Asia/Tokyo: Osaka; Sapporo
Australia/Melbourne: Canberra
Pacific/Guadalcanal: Solomon Is.
Pacific/Noumea: New Caledonia
Pacific/Majuro: Marshall Is.
Pacific/Auckland: Wellington
Pacific/Tongatapu: Nuku'alofa
Pacific/Fakaofo: Tokelau Is.
Pacific/Chatham: Chatham Is.
Pacific/Apia: Samoa
"""


def _read_names(named_by_city: str, named_otherwise: str) -> dict[str, str]:
    names = {zone.rpartition("/")[2].replace("_", " "): zone for zone in named_by_city.split()}
    for row in named_otherwise.strip().split("\n"):
        zone, _, given = row.partition(": ")
        names.update(dict.fromkeys(given.split("; "), zone))
    return names


RAILS_ZONES: Mapping[str, str] = _read_names(_NAMED_BY_CITY, _NAMED_OTHERWISE)
