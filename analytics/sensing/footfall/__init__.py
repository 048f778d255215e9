"""Footfall and cycling counters: hours that exist, comparable days, totals with what was not measured."""
