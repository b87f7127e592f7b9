"""What msgspec's structs are given beyond msgspec."""

from typing import TypeVar

import msgspec

StructType = TypeVar("StructType", bound=type[msgspec.Struct])


def quick_to_set(struct: StructType) -> StructType:
    """Class decorator: attributes are set as those of any other class, in 6 instead of 25 ns.

    msgspec sets attributes by a function of its own, for which the interpreter has no short way. All it does beyond is
    to tell the garbage collector; a type with `gc=False` has nothing to tell. Not inherited: to be put on each type.
    """
    if struct.__struct_config__.gc or struct.__struct_config__.frozen:
        raise TypeError(f"{struct.__name__} is not a mutable struct with gc=False")
    for name in ("__setattr__", "__delattr__"):
        type.__setattr__(struct, name, getattr(object, name))
    return struct
