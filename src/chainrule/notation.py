"""What each letter means, here as in the paper, and the type aliases.

Layers are i = 0 … L; layer 0 is the input pattern. Slot 0 of w, b, x and e is empty (None), so that
subscripts agree with the paper: ``net.w[1][7, 3]`` is w_173. Nodes count from 0.

======================  ==========================  ===============================================================
paper                   code                        meaning
======================  ==========================  ===============================================================
x_ij                    ``x[i][p, j]``              net value of node j of layer i, for pattern p
y_ij                    ``y[i][p, j]``              its output; ``y[0]`` inputs, ``y[-1]`` the network's output
t_j                     ``t[p, j]``                 target; NaN where it is missing
w_ijk                   ``w[i][j, k]``              weight into node j of layer i from node k of layer i-1
bias                    ``b[i][j]``                 the weight from a node whose output is always 1
f_i, f'_i               ``f[i]``, ``f_prime[i]``    activation of layer i and its derivative, functions of the net value
e_ij                    ``e[i][p, j]``              error term, minus the derivative of E_p by x_ij
s_p, S                  ``weights[p]``              weight of pattern p, and their sum
E_p                                                 error of pattern p, the sum over its outputs whose target is known
E                                                   (1/S) sum_p s_p E_p + penalties: reported and differentiated
θ                       ``theta``                   every w and b in one flat vector
η                       ``learning_rate``           the step against the gradient
======================  ==========================  ===============================================================
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = Any
"""An array of NumPy, JAX or anything else that follows the array API; its shape stands in the docstring."""

FloatArray: TypeAlias = npt.NDArray[np.floating[Any]]
"""A NumPy array of floats: what the doors hand in after they have checked it."""
