"""Tests of quicsim.sweep; a package, so that worker processes can import deadly.py."""
