// Editing a subgraph in place: producers and consumers stay known while operators come and go.
#pragma once

#include <vector>

#include "tflite/uses.h"
#include "tinyml/tflite.h"

namespace tinyml::tflite {

/// Every edit costs time in proportion to the tensors' consumers touched. `finish` must be called at the end.
class Editor {
 public:
  explicit Editor(Subgraph& subgraph);

  /// Operator indices in [0, count()); removed ones are skipped by is_live. New ones get higher indices.
  int count() const { return static_cast<int>(subgraph_.operators.size()); }
  bool is_live(int op) const { return live_[static_cast<size_t>(op)]; }
  const Operator& op(int index) const { return subgraph_.operators[static_cast<size_t>(index)]; }
  Options& options(int index) { return subgraph_.operators[static_cast<size_t>(index)].options; }
  Tensor& tensor(int id) { return subgraph_.tensors[static_cast<size_t>(id)]; }
  const Tensor& tensor(int id) const { return subgraph_.tensors[static_cast<size_t>(id)]; }
  Subgraph& subgraph() { return subgraph_; }
  const Subgraph& subgraph() const { return subgraph_; }

  int producer(int id) const { return uses_.producer[static_cast<size_t>(id)]; }
  const std::vector<Use>& consumers(int id) const { return uses_.consumers[static_cast<size_t>(id)]; }
  /// The operator that makes this tensor if it is of that kind, else kNoProducer.
  int producer_of_kind(int id, Op kind) const;
  /// The only consumer if it is an operator; else kGraphOutput.
  int only_consumer(int id) const;
  bool is_output(int id) const;
  bool is_input(int id) const { return is_input_[static_cast<size_t>(id)]; }

  int add_tensor(Tensor tensor);
  /// A constant vector of INT32.
  int add_integers(std::string name, std::vector<int32_t> values);
  int add_operator(Operator op);
  void remove(int op);
  /// Makes an operator another one: same inputs and outputs.
  void become(int op, Op kind, Options options);
  void set_input(int op, size_t slot, int id);
  void set_inputs(int op, std::vector<int> inputs);
  void set_output(int op, size_t slot, int id);
  /// Output `position` of the subgraph becomes another tensor, which takes the name over.
  void replace_output(size_t position, int id);
  /// All that read `from`, outputs of the subgraph included, read `to`. An output's name goes along with it.
  void replace_uses(int from, int to);

  /// Drops removed operators and restores execution order: each operator at its place, new ones before their first
  /// reader.
  void finish();

 private:
  void drop_use(int id, int op, size_t slot);

  Subgraph& subgraph_;
  Uses uses_;
  std::vector<bool> live_, is_input_;
};

/// Calls rewrite(editor, op) for every operator that was there at the start and still is; how often it says true.
template <typename Rewrite>
int rewrite_each(Subgraph& subgraph, const Rewrite& rewrite) {
  Editor editor(subgraph);
  const int count = editor.count();
  int changes = 0;
  for (int o = 0; o < count; ++o) {
    if (editor.is_live(o) && rewrite(editor, o)) ++changes;
  }
  editor.finish();
  return changes;
}

/// Whether values of one tensor can stand in for the other's: same type, shape, signature and quantization. Variables
/// are like nothing else: they change between two reads.
bool same_kind(const Tensor& a, const Tensor& b);

}  // namespace tinyml::tflite
