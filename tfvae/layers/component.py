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
            value = getattr(component, name)
            config[name] = keras.saving.serialize_keras_object(value)
    return config


def from_config(cls, config):
    """Creates an object from the result of `config_of`."""
    return cls(**keras.saving.deserialize_keras_object(dict(config)))


class Component(keras.layers.Layer):
    """A Keras layer whose constructor stores each argument under its own name.

    That rule replaces a hand-written `get_config` in every class. `build` takes
    widths as keywords, not the shape of data, and is called by the owner: a model
    builds its encoder, its latents, its bridge and its decoder.
    """

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
