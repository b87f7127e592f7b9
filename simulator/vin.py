"""A vehicle identification number for a simulated van."""

from zlib import crc32


def vin(vehicle_id: str) -> str:
    """A VIN that no maker uses ("SIM" is not a world manufacturer identifier). A van always gets the same VIN."""
    digits = "".join(character for character in vehicle_id if character.isdigit())
    number = int(digits) if digits else crc32(vehicle_id.encode())
    return f"SIMVAN{number % 10**11:011d}"
