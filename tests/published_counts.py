"""Numbers of trained parameters that the papers of the methods print."""

QV = ("query", "value")
QKVO = ("query", "key", "value", "out")
GPT3 = (96, 12288)

# Hu et al. 2021 (arXiv 2106.09685): layers, width, rank, targets, the count by the formula of
# section 5.1, 2 * R * D for each adapted matrix, and what the tables print, in millions.
LORA = {
    "RoBERTa base, table 2": (12, 768, 8, QV, 294_912, 0.3),
    "RoBERTa large, table 2": (24, 1024, 8, QV, 786_432, 0.8),
    # Table 10 says rank 8, which makes 2.4M; the authors' scripts say 16.
    "DeBERTa XXL, table 2": (48, 1536, 16, QV, 4_718_592, 4.7),
    "GPT-3, value, rank 2, table 15": (*GPT3, 2, ("value",), 4_718_592, 4.7),
    "GPT-3, rank 1, tables 4 and 15": (*GPT3, 1, QV, 4_718_592, 4.7),
    "GPT-3, rank 2, table 15": (*GPT3, 2, QV, 9_437_184, 9.4),
    "GPT-3, all four, rank 1, table 15": (*GPT3, 1, QKVO, 9_437_184, 9.4),
    "GPT-3, rank 4, table 15": (*GPT3, 4, QV, 18_874_368, 18.8),
    "GPT-3, all four, rank 2, table 15": (*GPT3, 2, QKVO, 18_874_368, 18.8),
    "GPT-3, rank 8, tables 4 and 15": (*GPT3, 8, QV, 37_748_736, 37.7),
    "GPT-3, all four, rank 4, table 15": (*GPT3, 4, QKVO, 37_748_736, 37.7),
    "GPT-3, rank 64, table 15": (*GPT3, 64, QV, 301_989_888, 301.9),
}
# The same where the table prints something else than its formula gives.
LORA_NOMINAL = {
    # A tenth of a percent of the model, as for the prefixes beside them in the table.
    "GPT-2 medium, table 3": (24, 1024, 4, QV, 393_216, 0.35),
    "GPT-2 large, table 3": (36, 1280, 4, QV, 737_280, 0.77),
    # Twice the 301.9 of half the matrices, whose digits were cut off.
    "GPT-3, all four, rank 64, table 15": (*GPT3, 64, QKVO, 603_979_776, 603.8),
}

# Lester et al. 2021 (arXiv 2104.08691), table 4, "trainable": width of T5 1.1, {length: count}.
PROMPTS = {
    # The table prints 10,420 for length 20, two digits swapped, and adds it up to its total.
    "small": (512, {1: 512, 5: 2560, 20: 10_240, 50: 25_600, 100: 51_200, 150: 76_800}),
    "base": (768, {1: 768, 5: 3840, 20: 15_360, 50: 38_400, 100: 76_800, 150: 115_200}),
    "large": (1024, {1: 1024, 5: 5120, 20: 20_480, 50: 51_200, 100: 102_400, 150: 153_600}),
    "xl": (2048, {1: 2048, 5: 10_240, 20: 40_960, 50: 102_400, 100: 204_800, 150: 307_200}),
    "xxl": (4096, {1: 4096, 5: 20_480, 20: 81_920, 50: 204_800, 100: 409_600, 150: 614_400}),
}
