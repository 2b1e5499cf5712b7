"""What to write instead of functions that the two engines cannot compute alike."""

from __future__ import annotations

from typing import Final

_SORTED: Final = "Use COUNT(*) with GROUP BY, ORDER BY and LIMIT."
_HASH: Final = "Use TO_HEX(SHA256(…)) or TO_HEX(MD5(…))."
_FIXED: Final = "Pass the value as a parameter."

INSTEAD: Final[dict[str, str]] = {
    "APPROX_COUNT_DISTINCT": "Use COUNT(DISTINCT …), which is exact.",
    "APPROX_QUANTILES": "Use PERCENTILE_CONT(…, 0.5) OVER (), which is exact.",
    "APPROX_TOP_COUNT": _SORTED,
    "APPROX_TOP_SUM": "Use SUM(…) with GROUP BY, ORDER BY and LIMIT.",
    "CONTAINS_SUBSTR": "Use STRPOS(LOWER(a), LOWER(b)) > 0.",
    "FARM_FINGERPRINT": _HASH,
    "SHA512": _HASH,
    "RAND": _FIXED,
    "GENERATE_UUID": _FIXED,
    "SESSION_USER": _FIXED,
    "CURRENT_TIME": "Use TIME(CURRENT_TIMESTAMP(), zone).",
    "BIGNUMERIC": "Use NUMERIC.",
    "PARSE_BIGNUMERIC": "Use CAST(… AS NUMERIC).",
    "PARSE_NUMERIC": "Use CAST(… AS NUMERIC).",
    "INSTR": "Use STRPOS for the first occurrence.",
    "REGEXP_INSTR": "Use STRPOS, or REGEXP_EXTRACT.",
    "REGEXP_SUBSTR": "Use REGEXP_EXTRACT.",
    "REVERSE": "Reverse the text where it is shown.",
    "ARRAY_CONCAT_AGG": "Use ARRAY_AGG over UNNEST.",
    "TO_JSON": "Use TO_JSON_STRING, or PARSE_JSON(TO_JSON_STRING(…)).",
    "GENERATE_TIMESTAMP_ARRAY": "Use GENERATE_ARRAY, and TIMESTAMP_ADD on its numbers.",
    "CBRT": "Use POW(x, 1 / 3).",
    "SAFE_CONVERT_BYTES_TO_STRING": "Keep the text as STRING.",
    "DATE_BUCKET": "Use DATE_TRUNC.",
    "GROUPING": "Name the groups in separate queries, and join them with UNION ALL.",
    "LAX_INT64": "Use SAFE_CAST(JSON_VALUE(…) AS INT64).",
    "LAX_FLOAT64": "Use SAFE_CAST(JSON_VALUE(…) AS FLOAT64).",
    "LAX_BOOL": "Use SAFE_CAST(JSON_VALUE(…) AS BOOL).",
    "LAX_STRING": "Use JSON_VALUE(…).",
}
