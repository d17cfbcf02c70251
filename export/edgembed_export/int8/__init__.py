"""The INT8 stage: calibrate on texts, then round the weights of the lean graph by one recipe."""
