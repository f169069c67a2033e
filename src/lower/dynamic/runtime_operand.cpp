#include "lower/dynamic/runtime_operand.h"

#include <algorithm>
#include <optional>
#include <string>

namespace tinyml::lowering {
namespace {

using tflite::kNoTensor;
using tflite::Op;
using tflite::Type;

// Elements of one constant as numbers; nullopt for types that no computed operand has.
std::optional<std::vector<double>> numbers(const tflite::Tensor& tensor) {
  std::vector<double> result;
  const auto read = [&](auto span) { result.assign(span.begin(), span.end()); };
  switch (tensor.type) {
    case Type::FLOAT32:
      read(tensor.buffer.as<float>());
      return result;
    case Type::INT32:
      read(tensor.buffer.as<int32_t>());
      return result;
    case Type::BOOL:
      read(tensor.buffer.as<uint8_t>());
      return result;
    default:
      return std::nullopt;
  }
}

class Operand {
 public:
  explicit Operand(const RuntimeOperand& given) : given_(given) {}

  int make() {
    for (const tflite::Tensor& tensor : given_.values) {
      auto elements = numbers(tensor);
      if (!elements) return kNoTensor;
      elements_.push_back(std::move(*elements));
      if (tensor.rank() != given_.values[0].rank()) return kNoTensor;
    }
    const tflite::Tensor& first = given_.values[0];
    const bool same_shape = std::all_of(given_.values.begin(), given_.values.end(),
                                        [&](const tflite::Tensor& other) { return other.shape == first.shape; });
    if (same_shape && first.type == Type::INT32 && first.rank() <= 1) {
      return first.rank() == 0 ? given_.source.scalar_of(element(0)) : integers();
    }
    if (same_shape && first.type == Type::INT32 && given_.slot == 1 && first.rank() == 2) return paddings();
    if (same_shape && first.type == Type::FLOAT32 && elements_[0].size() == 1) return real();
    if (same_shape) return kNoTensor;
    for (const auto pattern : {&Operand::fill, &Operand::range, &Operand::triangle}) {
      const int result = (this->*pattern)();
      if (result != kNoTensor) return result;
    }
    return kNoTensor;
  }

 private:
  Samples element(size_t i) const {
    Samples result;
    for (const auto& elements : elements_) result.push_back(static_cast<int64_t>(elements[i]));
    return result;
  }

  std::vector<Samples> all_elements() const {
    std::vector<Samples> result;
    for (size_t i = 0; i < elements_[0].size(); ++i) result.push_back(element(i));
    return result;
  }

  int emit(Op op, std::vector<int> inputs, Type type, tflite::Shape shape, tflite::Options options = {}) {
    const tflite::Tensor& like = given_.values[0];
    const int output = given_.subgraph.add_tensor(like.name, type, std::move(shape));
    given_.subgraph.add_operator(op, std::move(inputs), {output}, std::move(options));
    return output;
  }

  int integers() {
    std::vector<Samples> elements = all_elements();
    if (given_.op.op == Op::SLICE && given_.slot == 2) take_rest_of_slice(elements);
    if (given_.op.op == Op::STRIDED_SLICE && given_.slot == 2) take_rest_of_strided_slice(elements);
    return given_.source.vector_of(elements);
  }

  // A size that reaches the input's end, whatever that is, is -1.
  void take_rest_of_slice(std::vector<Samples>& elements) const {
    const tflite::Tensor& begin = given_.subgraph.tensors[static_cast<size_t>(given_.op.inputs[1])];
    if (!begin.is_constant()) return;
    const auto begins = begin.buffer.as<int32_t>();
    for (size_t i = 0; i < elements.size(); ++i) {
      bool whole = true;
      for (size_t k = 0; k < elements[i].size(); ++k) {
        whole = whole && begins[i] + elements[i][k] == given_.first_input[i][k];
      }
      if (whole && !is_constant(elements[i])) elements[i].assign(elements[i].size(), -1);
    }
  }

  void take_rest_of_strided_slice(std::vector<Samples>& elements) const {
    auto& options = std::get<tflite::StridedSliceOptions>(given_.op.options);
    for (size_t i = 0; i < elements.size(); ++i) {
      if (is_constant(elements[i]) || elements[i] != given_.first_input[i]) continue;
      options.end_mask |= 1 << i;
      elements[i].assign(elements[i].size(), 0);
    }
  }

  int paddings() {
    const int flat = given_.source.vector_of(all_elements());
    if (flat == kNoTensor) return kNoTensor;
    return emit(Op::RESHAPE, {flat}, Type::INT32, given_.values[0].shape,
                tflite::ReshapeOptions{given_.values[0].shape});
  }

  // A size as a real number, or one over it.
  int real() {
    const bool whole = std::all_of(elements_.begin(), elements_.end(), [](const auto& e) {
      return e[0] == static_cast<double>(static_cast<int64_t>(e[0]));
    });
    Samples values;
    for (const auto& elements : elements_) {
      const double value = whole ? elements[0] : 1 / elements[0];
      const auto rounded = static_cast<int64_t>(value < 0 ? value - 0.5 : value + 0.5);
      if (rounded == 0 ||
          static_cast<float>(whole ? rounded : 1.0 / static_cast<double>(rounded)) != static_cast<float>(elements[0])) {
        return kNoTensor;
      }
      values.push_back(rounded);
    }
    const tflite::Shape& shape = given_.values[0].shape;
    const int integer = shape.empty() ? given_.source.scalar_of(values) : given_.source.vector_of({values});
    if (integer == kNoTensor || shape.size() > 1) return kNoTensor;
    const int number = emit(Op::CAST, {integer}, Type::FLOAT32, shape, tflite::CastOptions{Type::INT32, Type::FLOAT32});
    if (whole) return number;
    const int one = given_.subgraph.add_constant("one", std::vector<float>{1.0F}, tflite::Shape{});
    return emit(Op::DIV, {one, number}, Type::FLOAT32, shape, tflite::ArithmeticOptions{});
  }

  std::vector<Samples> shape() const {
    std::vector<Samples> dims(given_.values[0].shape.size());
    for (const tflite::Tensor& tensor : given_.values) {
      for (size_t i = 0; i < dims.size(); ++i) dims[i].push_back(tensor.shape[i]);
    }
    return dims;
  }

  void sign(int id) {
    tflite::Tensor& tensor = given_.subgraph.tensors[static_cast<size_t>(id)];
    tensor.shape_signature = tensor.shape;
    const std::vector<Samples> dims = shape();
    for (size_t i = 0; i < dims.size(); ++i) {
      if (!is_constant(dims[i])) tensor.shape_signature[i] = -1;
    }
  }

  // The same value everywhere.
  int fill() {
    const double value = elements_[0].empty() ? 0 : elements_[0][0];
    for (const auto& elements : elements_) {
      if (!std::all_of(elements.begin(), elements.end(), [&](double x) { return x == value; })) return kNoTensor;
    }
    const tflite::Tensor& first = given_.values[0];
    const int dims = given_.source.vector_of(shape());
    if (dims == kNoTensor) return kNoTensor;
    tflite::Buffer one = tflite::Buffer::copy_of(first.buffer.data(), static_cast<size_t>(bits_of(first.type)) / 8);
    const int scalar = given_.subgraph.add_constant("value", first.type, {}, std::move(one));
    const int result = emit(Op::FILL, {dims, scalar}, first.type, first.shape);
    sign(result);
    return result;
  }

  // start, start + step, ... along the only dimension that is not 1.
  int range() {
    const tflite::Tensor& first = given_.values[0];
    if (first.type == Type::BOOL || elements_[0].size() < 2) return kNoTensor;
    const double start = elements_[0][0];
    const double step = elements_[0][1] - start;
    const std::vector<Samples> dims = shape();
    if (std::count_if(dims.begin(), dims.end(), [](const Samples& size) { return size[0] != 1; }) != 1)
      return kNoTensor;
    if (start != static_cast<double>(static_cast<int64_t>(start)) ||
        step != static_cast<double>(static_cast<int64_t>(step))) {
      return kNoTensor;
    }
    Samples limits;
    for (const auto& elements : elements_) {
      for (size_t i = 0; i < elements.size(); ++i) {
        if (elements[i] != start + static_cast<double>(i) * step) return kNoTensor;
      }
      limits.push_back(static_cast<int64_t>(start + static_cast<double>(elements.size()) * step));
    }
    const int limit = given_.source.scalar_of(limits);
    if (limit == kNoTensor) return kNoTensor;
    const auto count = static_cast<int32_t>(elements_[0].size());
    int result = count_up(start, limit, step, count);
    if (first.type != Type::INT32) {
      result = emit(Op::CAST, {result}, first.type, {count}, tflite::CastOptions{Type::INT32, first.type});
      given_.subgraph.tensors[static_cast<size_t>(result)].shape_signature = {-1};
    }
    if (first.rank() == 1) return result;
    result = emit(Op::RESHAPE, {result}, first.type, first.shape, tflite::ReshapeOptions{});
    sign(result);
    return result;
  }

  int count_up(double start, int limit, double step, int32_t count) {
    const auto scalar = [&](double value) {
      return given_.subgraph.add_constant("range", std::vector<int32_t>{static_cast<int32_t>(value)}, tflite::Shape{});
    };
    const int result = emit(Op::RANGE, {scalar(start), limit, scalar(step)}, Type::INT32, {count});
    given_.subgraph.tensors[static_cast<size_t>(result)].shape_signature = {-1};
    return result;
  }

  // 0, 1, ... for each row or column of a matrix, as [n, 1] or [1, n].
  int positions(double start, const Samples& counts, bool rows) {
    Samples limits = counts;
    for (int64_t& limit : limits) limit += static_cast<int64_t>(start);
    int limit = kNoTensor;
    if (is_constant(limits)) {
      limit = given_.subgraph.add_constant("limit", std::vector<int32_t>(1, static_cast<int32_t>(limits[0])),
                                           tflite::Shape{});
    } else {
      limit = given_.source.scalar_of(limits);
    }
    if (limit == kNoTensor) return kNoTensor;
    const auto count = static_cast<int32_t>(counts[0]);
    const int range = count_up(start, limit, 1, count);
    const tflite::Shape shape = rows ? tflite::Shape{count, 1} : tflite::Shape{1, count};
    const int result = emit(Op::RESHAPE, {range}, Type::INT32, shape, tflite::ReshapeOptions{});
    given_.subgraph.tensors[static_cast<size_t>(result)].shape_signature =
        rows ? tflite::Shape{-1, 1} : tflite::Shape{1, -1};
    return result;
  }

  // A matrix with one value up to a diagonal and another one beyond: causal masks.
  int triangle() {
    const tflite::Tensor& first = given_.values[0];
    const std::vector<Samples> dims = shape();
    if (dims.size() < 2 || elements_[0].empty()) return kNoTensor;
    for (size_t i = 0; i + 2 < dims.size(); ++i) {
      if (!is_constant(dims[i]) || dims[i][0] != 1) return kNoTensor;
    }
    const Samples& rows = dims[dims.size() - 2];
    const Samples& columns = dims.back();
    const auto width = static_cast<size_t>(columns[0]);
    const double low = elements_[0][elements_[0].size() - width];
    const double high = elements_[0][width - 1];
    if (low == high) return kNoTensor;
    const auto end = elements_[0].begin() + static_cast<std::ptrdiff_t>(width);
    const auto diagonal = static_cast<int64_t>(
        std::find_if(elements_[0].begin(), end, [&](double x) { return x != low; }) - elements_[0].begin() - 1);
    for (size_t k = 0; k < elements_.size(); ++k) {
      for (int64_t row = 0; row < rows[k]; ++row) {
        for (int64_t column = 0; column < columns[k]; ++column) {
          const double wanted = column <= row + diagonal ? low : high;
          if (elements_[k][static_cast<size_t>(row * columns[k] + column)] != wanted) return kNoTensor;
        }
      }
    }
    const int row = positions(static_cast<double>(diagonal), rows, true);
    const int column = positions(0, columns, false);
    if (row == kNoTensor || column == kNoTensor) return kNoTensor;
    const tflite::Shape matrix = {static_cast<int32_t>(rows[0]), static_cast<int32_t>(columns[0])};
    const auto sign_matrix = [&](int id) {
      given_.subgraph.tensors[static_cast<size_t>(id)].shape_signature = {is_constant(rows) ? matrix[0] : -1,
                                                                          is_constant(columns) ? matrix[1] : -1};
    };
    const bool inverted = first.type == Type::BOOL && low == 0;
    int result = emit(inverted ? Op::GREATER : Op::LESS_EQUAL, {column, row}, Type::BOOL, matrix);
    sign_matrix(result);
    if (first.type != Type::BOOL) {
      const auto element = [&](size_t i) {
        const size_t size = static_cast<size_t>(bits_of(first.type)) / 8;
        return given_.subgraph.add_constant("value", first.type, {},
                                            tflite::Buffer::copy_of(first.buffer.data() + i * size, size));
      };
      result =
          emit(Op::SELECT_V2, {result, element(elements_[0].size() - width), element(width - 1)}, first.type, matrix);
      sign_matrix(result);
    }
    if (dims.size() == 2) return result;
    result = emit(Op::RESHAPE, {result}, first.type, first.shape, tflite::ReshapeOptions{});
    sign(result);
    return result;
  }

  const RuntimeOperand& given_;
  std::vector<std::vector<double>> elements_;
};

}  // namespace

int make_runtime_operand(const RuntimeOperand& operand) { return Operand(operand).make(); }

}  // namespace tinyml::lowering
