"""The books of one van: trips, stops, charges, tours, gaps and days are opened and closed here.

    estimate    post                          post what a reading has changed the energy estimate by
    trip        depart                        the van leaves its resting place: opens a trip, closes a charge
                begin_stand, begin_stop,      the van stands, stops and goes on
                end_stop
                close_trip,                   as of a mark
                close_trip_at_stand,          as of the moment at which the van came to stand
                close_trip_in_silence         as of the last reading
    rest        book_rest, wake_up            a reading at rest; the first one after a silence at rest
                set_resting_place             displacement is measured from here
    charge      open_charge                   at rest
                open_charge_at_stop           closes the trip first
                add_charger_power,            during the charge
                enter_grid_energy
                close_charge
                book_unseen_charge            opened and closed at once, after the van has left
    gap         open_books, open_gap          the van is heard for the first time; after a silence
                book_trip_in_gap,             the van drove and rests again; left and still drives; drove all along
                open_trip_in_gap,
                continue_trip_over_gap
                book_charge_in_gap,           the van charged; the state of charge is lower
                book_change_in_gap
    day         is_day_over, close_day
    tour        take_load, take_drop          a load or a drop is stated
                close_due_tours               time has passed
    correction  take_correction,              a stretch of time must not count
                cut_corrections

The order in which energy is posted is part of each verb. Callers decide what has happened, and call one verb.
Nothing here decides what the van is doing.
"""

from agent.fleet.books.charges import (
    add_charger_power,
    book_unseen_charge,
    close_charge,
    enter_grid_energy,
    open_charge,
    open_charge_at_stop,
)
from agent.fleet.books.corrections import cut_corrections, take_correction
from agent.fleet.books.days import close_day, is_day_over
from agent.fleet.books.departure import depart
from agent.fleet.books.gaps import (
    book_change_in_gap,
    book_charge_in_gap,
    book_trip_in_gap,
    continue_trip_over_gap,
    open_books,
    open_gap,
    open_trip_in_gap,
)
from agent.fleet.books.ledger import post
from agent.fleet.books.rest import book_rest, set_resting_place, wake_up
from agent.fleet.books.tour_drops import take_drop, take_load
from agent.fleet.books.tours import close_due_tours
from agent.fleet.books.trips import (
    begin_stand,
    begin_stop,
    close_trip,
    close_trip_at_stand,
    close_trip_in_silence,
    end_stop,
)

__all__ = [
    "add_charger_power",
    "begin_stand",
    "begin_stop",
    "book_change_in_gap",
    "book_charge_in_gap",
    "book_rest",
    "book_trip_in_gap",
    "book_unseen_charge",
    "close_charge",
    "close_day",
    "close_due_tours",
    "close_trip",
    "close_trip_at_stand",
    "close_trip_in_silence",
    "continue_trip_over_gap",
    "cut_corrections",
    "depart",
    "end_stop",
    "enter_grid_energy",
    "is_day_over",
    "open_books",
    "open_charge",
    "open_charge_at_stop",
    "open_gap",
    "open_trip_in_gap",
    "post",
    "set_resting_place",
    "take_correction",
    "take_drop",
    "take_load",
    "wake_up",
]
