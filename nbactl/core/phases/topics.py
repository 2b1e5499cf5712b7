"""The topics of the pipeline, as production calls them."""

from __future__ import annotations

from typing import Final

COMPLETED: Final = {
    "phase1": "nba-phase1-scrapers-complete",
    "phase2": "nba-phase2-raw-complete",
    "phase3": "nba-phase3-analytics-complete",
    "phase4": "nba-phase4-precompute-complete",
    "phase5": "nba-phase5-predictions-complete",
    "phase6": "nba-phase6-export-complete",
}
"""By phase, where its processors report that one of them is done."""
TRIGGERS: Final = {
    "phase3": "nba-phase3-trigger",
    "phase4": "nba-phase4-trigger",
    "phase5": "nba-predictions-trigger",
    "phase6": "nba-phase6-export-trigger",
}
"""By phase, where it is started."""
PREDICTION_REQUESTS: Final = "prediction-request-prod"
PREDICTIONS_READY: Final = "prediction-ready-prod"
TOPICS: Final = (*COMPLETED.values(), *TRIGGERS.values(), PREDICTION_REQUESTS, PREDICTIONS_READY)
