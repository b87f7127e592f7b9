"""Emission factors, grid intensity and van models: data files with source, year and unit, and what reads them."""
