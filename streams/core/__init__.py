"""The pure core: no clock, no I/O, no Faust. Time comes in as an argument."""
