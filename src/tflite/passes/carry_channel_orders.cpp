#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "tflite/passes/channel_parts.h"
#include "tflite/passes/passes.h"
#include "tflite/passes/reorder_weights.h"
#include "tinyml/error.h"

namespace tinyml::tflite {
namespace {

constexpr int64_t kOperatorBytes = 2048;  // What one more operator costs, as bytes copied.
constexpr int64_t kShuffleFactor = 4;     // A byte that is gathered or transposed against one that is copied in rows.

// How an operator that reads selected channels takes them.
enum class Reading {
  kSelects,      // Joins and selects itself; disappears.
  kAnyOrder,     // Its weights follow.
  kChannelwise,  // In any order; its result has that order too.
  kExact,
};

class Carrier {
 public:
  explicit Carrier(Subgraph& subgraph) : editor_(subgraph), count_(editor_.count()) {}

  int run() {
    find_regions();
    if (regions_.empty()) return 0;
    classify();
    estimate();
    if (chosen_.empty()) return 0;
    order_sources();
    rewrite();
    editor_.finish();
    return changes_;
  }

 private:
  // Operators that select channels, connected with each other, of which one is a GATHER.
  void find_regions() {
    region_.assign(static_cast<size_t>(count_), -1);
    std::vector<bool> selects(static_cast<size_t>(count_), false);
    for (int o = 0; o < count_; ++o) selects[static_cast<size_t>(o)] = selects_channels(editor_, o);
    for (int start = 0; start < count_; ++start) {
      if (editor_.op(start).op != Op::GATHER || !selects[static_cast<size_t>(start)]) continue;
      if (region_[static_cast<size_t>(start)] >= 0) continue;
      std::vector<int> members = {start};
      const int number = static_cast<int>(regions_.size());
      region_[static_cast<size_t>(start)] = number;
      for (size_t next = 0; next < members.size(); ++next) {
        const auto visit = [&](int o) {
          if (o < 0 || !selects[static_cast<size_t>(o)] || region_[static_cast<size_t>(o)] >= 0) return;
          region_[static_cast<size_t>(o)] = number;
          members.push_back(o);
        };
        for (const int in : selected_inputs(editor_, members[next])) visit(editor_.producer(in));
        for (const int out : editor_.op(members[next]).outputs) {
          for (const Use& use : editor_.consumers(out)) visit(use.op);
        }
      }
      regions_.push_back(std::move(members));
    }
  }

  Reading reading(const Use& use) const {
    if (use.op == kGraphOutput) return Reading::kExact;
    const auto o = static_cast<size_t>(use.op);
    if (region_[o] >= 0) return dropped_.contains(region_[o]) ? Reading::kExact : Reading::kSelects;
    if (can_reorder_inputs(editor_, use.op, use.input)) return Reading::kAnyOrder;
    return channelwise_[o] ? Reading::kChannelwise : Reading::kExact;
  }

  // A channelwise operator may only pass an order on to readers that all take it.
  void classify() {
    channelwise_.assign(static_cast<size_t>(count_), false);
    for (int o = count_; o-- > 0;) {
      const Operator& op = editor_.op(o);
      if (region_[static_cast<size_t>(o)] >= 0 || op.outputs.size() != 1) continue;
      const auto& readers = editor_.consumers(op.outputs[0]);
      const bool all_take_it =
          std::all_of(readers.begin(), readers.end(), [&](const Use& use) { return reading(use) != Reading::kExact; });
      if (!all_take_it) continue;
      bool any = false;
      for (size_t slot = 0; slot < op.inputs.size() && !any; ++slot) {
        const int id = op.inputs[slot];
        if (id == kNoTensor || editor_.tensor(id).is_constant()) continue;
        any = is_channelwise(editor_, o, static_cast<int>(slot));
      }
      channelwise_[static_cast<size_t>(o)] = any;
    }
  }

  const Channels& channels_of(int id) {
    const auto at = channels_.find(id);
    if (at != channels_.end()) return at->second;
    Channels channels = whole_channels(editor_, id);
    const auto moved = stored_at_.find(id);
    if (moved != stored_at_.end()) {
      for (Channel& channel : channels) channel.index = moved->second[static_cast<size_t>(channel.index)];
    }
    return channels_[id] = std::move(channels);
  }

  // Any order: the ranges of each source together, the large ones first.
  static Channels grouped(Channels channels) {
    std::sort(channels.begin(), channels.end());
    const std::vector<ChannelRange> ranges = ranges_of(channels);
    std::vector<size_t> order(ranges.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return ranges[a].size > ranges[b].size; });
    Channels result;
    for (const size_t i : order) {
      for (int c = 0; c < ranges[i].size; ++c) result.push_back({ranges[i].source, ranges[i].begin + c});
    }
    return result;
  }

  // What an operator outside the regions reads: the channels in the sequence in which they will be stored.
  struct Sink {
    int op, slot;
    Reading reading;
    Channels logical, stored;
  };

  // Walks the operators in execution order; calls `sink` for everything that reads selected or reordered channels.
  template <class OnSink>
  void walk(OnSink on_sink) {
    channels_.clear();
    for (int o = 0; o < count_; ++o) {
      const auto i = static_cast<size_t>(o);
      if (region_[i] >= 0 && !dropped_.contains(region_[i])) {
        std::vector<Channels> inputs;
        for (const int id : selected_inputs(editor_, o)) inputs.push_back(channels_of(id));
        std::vector<Channels> outputs = select_channels(editor_, o, inputs);
        for (size_t k = 0; k < outputs.size(); ++k) channels_[editor_.op(o).outputs[k]] = std::move(outputs[k]);
        continue;
      }
      for (size_t slot = 0; slot < editor_.op(o).inputs.size(); ++slot) {
        const int id = editor_.op(o).inputs[slot];
        const auto carried = id == kNoTensor ? channels_.end() : channels_.find(id);
        if (carried == channels_.end() || is_whole(id, carried->second)) continue;
        Sink sink{o, static_cast<int>(slot), reading({o, static_cast<int>(slot)}), carried->second, {}};
        if (sink.reading == Reading::kChannelwise && !is_channelwise(editor_, o, sink.slot)) {
          sink.reading = Reading::kExact;
        }
        sink.stored = sink.reading == Reading::kExact ? sink.logical : grouped(sink.logical);
        on_sink(sink);
        if (sink.reading == Reading::kChannelwise) {
          // Channel c of the result is where channel c of the input is stored.
          const Order place = inverse(order_of(sink));
          const int width = channel_multiplier(editor_, o);
          Channels result;
          for (const int p : place) {
            for (int k = 0; k < width; ++k) result.push_back({editor_.op(o).outputs[0], p * width + k});
          }
          channels_[editor_.op(o).outputs[0]] = std::move(result);
        }
      }
    }
    const auto& outputs = editor_.subgraph().outputs;
    for (size_t i = 0; i < outputs.size(); ++i) {
      const auto carried = channels_.find(outputs[i]);
      if (carried == channels_.end() || is_whole(outputs[i], carried->second)) continue;
      on_sink({kGraphOutput, static_cast<int>(i), Reading::kExact, carried->second, carried->second});
    }
  }

  bool is_whole(int id, const Channels& channels) const {
    const std::vector<ChannelRange> ranges = ranges_of(channels);
    return ranges.size() == 1 && ranges[0].source == id && ranges[0].begin == 0 &&
           ranges[0].size == editor_.tensor(id).shape.back();
  }

  // stored[p] = logical[order[p]]. Repeated channels are matched in sequence.
  static Order order_of(const Sink& sink) {
    std::map<Channel, std::vector<int>> places;
    for (size_t c = sink.logical.size(); c-- > 0;) places[sink.logical[c]].push_back(static_cast<int>(c));
    Order order;
    for (const Channel& channel : sink.stored) {
      order.push_back(places[channel].back());
      places[channel].pop_back();
    }
    return order;
  }

  int region_of_value(int id) const {
    const int producer = editor_.producer(id);
    return producer == kNoProducer ? -1 : region_[static_cast<size_t>(producer)];
  }

  // Regions that would copy more than they do now are left alone.
  void estimate() {
    std::vector<int64_t> before(regions_.size(), 0);
    for (size_t r = 0; r < regions_.size(); ++r) {
      for (const int o : regions_[r]) {
        for (const int id : editor_.op(o).outputs) {
          const int64_t bytes = byte_count(editor_.tensor(id).type, editor_.tensor(id).shape);
          before[r] += bytes * (editor_.op(o).op == Op::GATHER ? kShuffleFactor : 1) + kOperatorBytes;
        }
      }
    }
    for (bool changed = true; changed;) {
      changed = false;
      std::vector<int64_t> after(regions_.size(), 0);
      std::set<Channels> made;
      walk([&](const Sink& sink) {
        const int id = sink.op == kGraphOutput ? editor_.subgraph().outputs[static_cast<size_t>(sink.slot)]
                                               : editor_.op(sink.op).inputs[static_cast<size_t>(sink.slot)];
        const int region = region_of_value(id);
        if (region < 0 || !made.insert(sink.stored).second) return;
        Channels channels = sink.stored;
        if (sink.reading == Reading::kExact && all_from_reorderable(channels)) channels = grouped(channels);
        const SelectionCost cost = cost_of(editor_, ranges_of(channels));
        after[static_cast<size_t>(region)] += cost.bytes + cost.operators * kOperatorBytes;
      });
      for (size_t r = 0; r < regions_.size(); ++r) {
        if (after[r] < before[r] || dropped_.contains(static_cast<int>(r))) continue;
        dropped_.insert(static_cast<int>(r));
        changed = true;
      }
      if (changed) classify();
    }
    for (size_t r = 0; r < regions_.size(); ++r) {
      if (!dropped_.contains(static_cast<int>(r))) chosen_.insert(static_cast<int>(r));
    }
  }

  // The operator behind a source whose channels can be stored in another order without anybody noticing: its weights
  // decide, and nothing outside the chosen regions reads it or what is between.
  int reorderable_producer(int source) const {
    int id = source;
    bool first = true;
    while (true) {
      for (const Use& use : editor_.consumers(id)) {
        if (!first) continue;  // Inside the chain there is one reader.
        if (use.op == kGraphOutput) return kNoProducer;
        const int region = region_[static_cast<size_t>(use.op)];
        if (region < 0 || dropped_.contains(region)) return kNoProducer;
      }
      const int o = editor_.producer(id);
      if (o == kNoProducer || region_[static_cast<size_t>(o)] >= 0) return kNoProducer;
      if (can_reorder_outputs(editor_, o)) return o;
      const Operator& op = editor_.op(o);
      if (op.inputs.size() != 1 || !is_channelwise(editor_, o, 0) || editor_.only_consumer(op.inputs[0]) != o) {
        return kNoProducer;
      }
      id = op.inputs[0];
      first = false;
    }
  }

  bool all_from_reorderable(const Channels& channels) const {
    std::set<int> sources;
    for (const Channel& channel : channels) sources.insert(channel.source);
    return sources.size() == 1 && reorderable_producer(*sources.begin()) != kNoProducer;
  }

  // Stores what is read together next to each other, where the source's weights can be permuted for it.
  void order_sources() {
    std::map<int, std::vector<std::pair<Reading, std::vector<int>>>> readers;  // By source: channels in sequence.
    std::set<std::pair<Reading, Channels>> seen;
    walk([&](const Sink& sink) {
      if (!seen.insert({sink.reading, sink.stored}).second) return;
      std::map<int, std::vector<int>> by_source;
      for (const Channel& channel : sink.stored) by_source[channel.source].push_back(channel.index);
      for (auto& [source, indices] : by_source) readers[source].emplace_back(sink.reading, std::move(indices));
    });
    for (auto& [source, lists] : readers) {
      const int producer = reorderable_producer(source);
      if (producer == kNoProducer) continue;
      std::stable_sort(lists.begin(), lists.end(),
                       [](const auto& a, const auto& b) { return a.second.size() > b.second.size(); });
      const auto channels = static_cast<size_t>(editor_.tensor(source).shape.back());
      // Each channel by which lists hold it, in the sequence of the lists, then by its place in one that must be exact.
      std::vector<std::vector<int>> key(channels, std::vector<int>(lists.size() + 1, 1));
      for (size_t l = 0; l < lists.size(); ++l) {
        for (size_t p = 0; p < lists[l].second.size(); ++p) {
          auto& k = key[static_cast<size_t>(lists[l].second[p])];
          k[l] = 0;
          if (lists[l].first == Reading::kExact && k.back() == 1) k.back() = static_cast<int>(p) - (1 << 30);
        }
      }
      Order order = identity_order(static_cast<int>(channels));
      std::stable_sort(order.begin(), order.end(),
                       [&](int a, int b) { return key[static_cast<size_t>(a)] < key[static_cast<size_t>(b)]; });
      const Order unchanged = identity_order(static_cast<int>(channels));
      if (order == unchanged || pieces(lists, inverse(order)) >= pieces(lists, unchanged)) continue;
      reorder_outputs(editor_, producer, order);
      stored_at_[source] = inverse(order);
      ++changes_;
    }
  }

  static size_t pieces(const std::vector<std::pair<Reading, std::vector<int>>>& lists, const Order& place) {
    size_t total = 0;
    for (const auto& [reading, indices] : lists) {
      Channels channels;
      for (const int c : indices) channels.push_back({0, place[static_cast<size_t>(c)]});
      if (reading != Reading::kExact) std::sort(channels.begin(), channels.end());
      total += ranges_of(channels).size();
    }
    return total;
  }

  void rewrite() {
    std::map<Channels, int> made;
    std::vector<Sink> sinks;
    walk([&](const Sink& sink) { sinks.push_back(sink); });
    for (const Sink& sink : sinks) {
      const int id = sink.op == kGraphOutput ? editor_.subgraph().outputs[static_cast<size_t>(sink.slot)]
                                             : editor_.op(sink.op).inputs[static_cast<size_t>(sink.slot)];
      const auto [entry, is_new] = made.try_emplace(sink.stored, kNoTensor);
      if (is_new) entry->second = emit_channels(editor_, ranges_of(sink.stored), id);
      const Order order = order_of(sink);
      if (sink.op == kGraphOutput) {
        if (entry->second != id) editor_.replace_output(static_cast<size_t>(sink.slot), entry->second);
      } else {
        if (!is_identity(order)) {
          if (sink.reading == Reading::kAnyOrder) reorder_inputs(editor_, sink.op, order);
          if (sink.reading == Reading::kChannelwise) reorder_channels(editor_, sink.op, sink.slot, order);
        }
        editor_.set_input(sink.op, static_cast<size_t>(sink.slot), entry->second);
      }
      ++changes_;
    }
  }

  Editor editor_;
  int count_;
  std::vector<int> region_;                // By operator; -1: in none.
  std::vector<std::vector<int>> regions_;  // Operators.
  std::vector<bool> channelwise_;
  std::set<int> dropped_, chosen_;
  std::map<int, Channels> channels_;
  std::map<int, Order> stored_at_;  // Sources whose weights were permuted: where each channel went.
  int changes_ = 0;
};

}  // namespace

int carry_channel_orders(Subgraph& subgraph) { return Carrier(subgraph).run(); }

}  // namespace tinyml::tflite
