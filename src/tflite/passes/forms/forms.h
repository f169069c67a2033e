// The forms as passes over one subgraph in physical form, after the quantization has been folded. Each returns how many
// operations it wrote anew and leaves a valid subgraph.
#pragma once

#include "tinyml/tflite.h"
#include "tinyml/tflite_forms.h"

namespace tinyml::tflite {

/// Float operators between one INT8 value and one QUANTIZE that join several functions of the value, x * sigmoid(x) for
/// one: XNNPACK runs chains as a table of 256 entries, not joins. Each joined function becomes a chain (or LOGISTIC and
/// TANH in INT8) and the join an INT8 ADD, SUB or MUL, where the result is within one step for all 256 values.
int write_tables(Subgraph& subgraph, const FormPolicy& policy);

/// CONV_2D by 1x1 of maps of 1x1 -> FULLY_CONNECTED.
int write_linear(Subgraph& subgraph, const FormPolicy& policy);

/// CONV_2D whose stride divides the width of a narrow input: RESHAPE folds the stride's columns into channels, the
/// kernel likewise. INT8 where that saves padded channels, float where no tap is added.
int fold_width(Subgraph& subgraph, const FormPolicy& policy);

/// CONCATENATION of an image's four phases -> CONV_2D of twice the kernel and stride.
int fold_focus(Subgraph& subgraph, const FormPolicy& policy);

/// INT8 MAX_POOL_2D behind a PAD: constants around it by CONCATENATION.
int pad_by_concatenation(Subgraph& subgraph, const FormPolicy& policy);

/// INT8 average pooling with the window as stride -> DEPTHWISE_CONV_2D by 1 / area.
int write_average_depthwise(Subgraph& subgraph, const FormPolicy& policy);

/// TRANSPOSE_CONV -> one CONV_2D a phase, CONCATENATION, DEPTH_TO_SPACE.
int write_phases(Subgraph& subgraph, const FormPolicy& policy);

/// DEPTHWISE_CONV_2D of more than 25 taps -> ADD of dilated ones over every n-th row.
int split_taps(Subgraph& subgraph, const FormPolicy& policy);

/// DEPTHWISE_CONV_2D of two to five outputs a channel -> as many of one and CONCATENATION, where what reads the result
/// takes its channels in another order by its weights.
int split_multipliers(Subgraph& subgraph, const FormPolicy& policy);

/// Grouped CONV_2D -> fewer groups of at least 16 channels, zeros between the merged ones.
int merge_groups(Subgraph& subgraph, const FormPolicy& policy);

/// RESIZE_NEAREST_NEIGHBOR by whole factors: half_pixel_centers changes nothing and goes.
int drop_half_pixels(Subgraph& subgraph, const FormPolicy& policy);

/// INT8 MUL by one value a channel that the model computes -> DEQUANTIZE, MUL, QUANTIZE.
int write_float_products(Subgraph& subgraph, const FormPolicy& policy);

/// CONV_2D followed by SPLIT of its channels, or of which SLICEs read disjoint channels only -> one CONV_2D a part; of
/// parts by SLICE as many as cost no additional tile of output channels.
int split_convolutions(Subgraph& subgraph, const FormPolicy& policy);

/// Float CONV_2D of 3x3 and stride 1 -> F(2x2, 3x3) of Winograd's algorithm (Lavin and Gray 2016): sums of its input's
/// tiles, one BATCH_MATMUL of 16 matrices, sums of the products. 4 products an output instead of 9, weights of 16 / 9
/// of the size; for that it is never written but on request.
int write_winograd(Subgraph& subgraph, const FormPolicy& policy);

}  // namespace tinyml::tflite
