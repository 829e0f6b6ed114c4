"""How fast is quicsim, beside its peers, measured in one run?"""
