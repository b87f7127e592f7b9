"""Setting the attributes of msgspec's structs."""

from typing import TypeVar

import msgspec

StructType = TypeVar("StructType", bound=type[msgspec.Struct])


def quick_to_set(struct: StructType) -> StructType:
    """Class decorator: setting an attribute takes 6 ns instead of 25. The plain version is the class undecorated.

    A message sets some 45 attributes, so that this saves a tenth of decode, step and rows. msgspec sets attributes by a
    C function that the interpreter cannot specialise; this puts CPython's own in its place. msgspec's function also
    tells the garbage collector, which is not needed with `gc=False`. Not inherited: decorate each class.
    """
    if struct.__struct_config__.gc or struct.__struct_config__.frozen:
        raise TypeError(f"{struct.__name__} is not a mutable struct with gc=False")
    for name in ("__setattr__", "__delattr__"):
        type.__setattr__(struct, name, getattr(object, name))
    return struct
