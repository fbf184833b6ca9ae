"""The estimator: how much GPU memory a model needs for a task. Pure, standard library only, bytes are integers."""
