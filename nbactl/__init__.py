"""Operations toolkit and core library of an event-driven NBA statistics and player-prop pipeline."""

__version__ = "0.1.0"
