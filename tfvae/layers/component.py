"""The base class of Keras layers whose config is their constructor's arguments."""

import inspect

import keras


def config_of(component):
    """Collects constructor arguments from the attributes of the same names.

    Args:
        component: Object whose constructor stores each argument under its own name.

    Returns:
        Dict that JSON can hold; Keras objects within it are serialised.
    """
    config = {}
    for name in inspect.signature(type(component).__init__).parameters:
        if name == "dtype":
            config[name] = component.dtype_policy.name
        elif name != "self":
            config[name] = _serialized(component, name)
    return config


def _serialized(component, name):
    """Serialises the attribute that holds a constructor's argument.

    Raises:
        ValueError: If there is none, since the component could not be saved.
    """
    if not hasattr(component, name):
        raise ValueError(
            f"`{type(component).__name__}` could not be saved: its constructor takes "
            f"`{name}` and must store it as `self.{name}`. Received: no such attribute"
        )
    return keras.saving.serialize_keras_object(getattr(component, name))


def from_config(cls, config):
    """Creates an object from the result of `config_of`."""
    return cls(**keras.saving.deserialize_keras_object(dict(config)))


class Component(keras.layers.Layer):
    """A Keras layer whose constructor stores each argument under its own name.

    That rule replaces a hand-written `get_config` in every class. `build` takes
    widths as keywords, not the shape of data, and is called by the owner: a model
    builds its encoder, its latents, its bridge and its decoder.
    """

    def __init__(self, *, name=None, dtype=None):
        super().__init__(name=name, dtype=dtype)

    def build(self, **widths):
        """Creates the weights; there are none unless a subclass creates them."""
        self.built = True

    def get_config(self):
        """Returns the constructor's arguments."""
        return config_of(self)

    def get_build_config(self):
        """Returns `None`, since the owner builds this layer, not Keras."""
        return None

    @classmethod
    def from_config(cls, config):
        """Creates the layer from the result of `get_config`."""
        return from_config(cls, config)
