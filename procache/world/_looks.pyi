from collections.abc import Mapping

def first_changed(
    states: Mapping[bytes, tuple[int, object, bool]],
    touched: Mapping[bytes, object],
    files: tuple[tuple[int, int], ...],
) -> tuple[bytes, bool] | None: ...
