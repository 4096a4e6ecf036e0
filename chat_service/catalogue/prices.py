"""What a part of a category costs. Pure."""


def share(price: int, part: int, whole: int) -> int:
    """Answer the part of the price, rounded down; all of it for the whole, at least 1 for any part.

    `part` and `whole` are sums of prices of insight types. With prices that add up to the category's the part
    costs exactly what its types cost.
    """
    if not 0 <= part <= whole or whole < 1:
        raise ValueError(f"{part} is no part of {whole}")
    return max(price * part // whole, 1) if part else 0
