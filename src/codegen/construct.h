// Expressions that build modules, with the literals in them kept apart: modules that differ in literals only share one
// class.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "codegen/call_text.h"

namespace tinyml::codegen {

/// A place in a construct where a literal stands.
struct Slot {
  std::string name;   ///< Of the argument: "out_channels".
  std::string owner;  ///< Of the attribute it is part of: "conv1"; may be empty.
  std::string value;
  ArgumentStyle style = ArgumentStyle::kPositional;
  std::string default_value;
};

/// `callee(literals)`, or `callee(children)` of which each may have a name, as in nn.Sequential, nn.ModuleList or
/// nn.ModuleDict.
struct Construct {
  enum class Kind : uint8_t {
    kCall,      ///< callee(slot, name=slot)
    kRaw,       ///< callee<slot>suffix: nn.Parameter(torch.zeros(<slot>))
    kSequence,  ///< callee(child, child)
    kList,      ///< callee([child, child])
    kDict,      ///< callee({"name": child})
    kOrdered,   ///< callee(OrderedDict(name=child))
    kPairs,     ///< callee(OrderedDict([("name", child)])), for names that are no identifiers
  };
  Kind kind = Kind::kCall;
  std::string callee;
  std::string suffix;  ///< kRaw only.
  std::vector<Slot> slots;
  std::vector<std::pair<std::string, Construct>> children;

  static Construct of(const CallText& call);
};

/// `target = construct` in a constructor, or a line without a construct.
struct Statement {
  std::string target;  ///< "self.conv1"; "" when `text` stands alone.
  std::string text;  ///< Complete line, used when there is no target; "{}" is where the construct goes, if it has one.
  Construct construct;
  bool has_construct = true;
};

/// Everything but the values of the slots.
std::string skeleton_of(const Construct& construct);
/// All slots, outermost first, in the order they print. `owner` is for those that have none.
void collect_slots(const Construct& construct, const std::string& owner, std::vector<Slot>& slots);
/// The text with `values[next++]` in place of each slot; a value "" means: the slot's default, leave it out if
/// possible.
std::string construct_text(const Construct& construct, const std::vector<std::string>& values, size_t& next);
/// Appends `prefix` + the text + `suffix`; a Sequential, list or dictionary with one child a line.
void append_construct(std::string& out, int indent, const std::string& prefix, const std::string& suffix,
                      const Construct& construct, const std::vector<std::string>& values, size_t& next);

}  // namespace tinyml::codegen
