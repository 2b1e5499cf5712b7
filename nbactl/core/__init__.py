"""What services import: public API, loads no CLI, cloud client or warehouse engine."""
