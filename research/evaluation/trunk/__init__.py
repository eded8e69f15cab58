"""The frozen trunk: hidden states that no trained leaf changes, computed once for each text.

A method that trains upper layers alone passes every text through the same frozen layers in every
epoch, trial, seed and evaluation. `traced` finds these layers in the traced program, whatever the
model and the method, `states` computes what the trained layers read of them, and `store` keeps it.
"""
