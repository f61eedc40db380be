"""What lets every part be saved: its constructor's arguments are its config."""

import inspect

import keras


def config_of(part):
    """Collects a part's constructor arguments from attributes of the same names.

    Args:
        part: Object whose constructor stores each argument under its own name.

    Returns:
        Dict that JSON can hold; parts within it are serialised as Keras does.
    """
    config = {}
    for name in inspect.signature(type(part).__init__).parameters:
        if name == "dtype":
            config[name] = part.dtype_policy.name
        elif name != "self":
            value = getattr(part, name)
            config[name] = keras.saving.serialize_keras_object(value)
    return config


def from_config(cls, config):
    """Makes a part again from `config_of`."""
    return cls(**keras.saving.deserialize_keras_object(dict(config)))


class Part(keras.layers.Layer):
    """A Keras layer whose constructor stores each argument under its own name.

    That rule replaces a hand-written `get_config` in every part.
    """

    def get_config(self):
        """Returns the constructor's arguments."""
        return config_of(self)

    def get_build_config(self):
        """Returns nothing: the model that a part is given to builds it."""
        return None

    @classmethod
    def from_config(cls, config):
        """Makes the part again from `get_config`."""
        return from_config(cls, config)
