#include "codegen/construct.h"

namespace tinyml::codegen {
namespace {

struct Brackets {
  std::string open;
  std::string close;
};

Brackets brackets_of(Construct::Kind kind) {
  switch (kind) {
    case Construct::Kind::kList:
      return {"([", "])"};
    case Construct::Kind::kDict:
      return {"({", "})"};
    case Construct::Kind::kOrdered:
      return {"(OrderedDict(", "))"};
    case Construct::Kind::kPairs:
      return {"(OrderedDict([", "]))"};
    default:
      return {"(", ")"};
  }
}

std::string child_prefix(const Construct& construct, const std::string& name) {
  if (construct.kind == Construct::Kind::kDict) return string_literal(name) + ": ";
  if (construct.kind == Construct::Kind::kOrdered) return name + "=";
  if (construct.kind == Construct::Kind::kPairs) return "(" + string_literal(name) + ", ";
  return "";
}

std::string child_suffix(const Construct& construct) { return construct.kind == Construct::Kind::kPairs ? ")" : ""; }

bool is_leaf(const Construct& construct) {
  return construct.kind == Construct::Kind::kCall || construct.kind == Construct::Kind::kRaw;
}

}  // namespace

Construct Construct::of(const CallText& call) {
  Construct construct;
  construct.callee = call.callee;
  for (const CallArgument& argument : call.arguments) {
    construct.slots.push_back(Slot{argument.name, "", argument.value, argument.style, argument.default_value});
  }
  return construct;
}

std::string skeleton_of(const Construct& construct) {
  std::string text = construct.callee + "/" + std::to_string(static_cast<int>(construct.kind)) + "(";
  for (const Slot& slot : construct.slots) text += slot.name + "=" + slot.default_value + "|";
  for (const auto& [name, child] : construct.children) text += name + ":" + skeleton_of(child) + ",";
  return text + ")" + construct.suffix;
}

void collect_slots(const Construct& construct, const std::string& owner, std::vector<Slot>& slots) {
  for (const Slot& slot : construct.slots) {
    slots.push_back(slot);
    if (slots.back().owner.empty()) slots.back().owner = owner;
  }
  for (const auto& [name, child] : construct.children) {
    collect_slots(child, is_index(name) ? owner : name, slots);
  }
}

std::string construct_text(const Construct& construct, const std::vector<std::string>& values, size_t& next) {
  if (construct.kind == Construct::Kind::kRaw) {
    std::string text = construct.callee;
    if (!construct.slots.empty()) text += values.at(next++);
    return text + construct.suffix;
  }
  if (construct.kind == Construct::Kind::kCall) {
    CallText call;
    call.callee = construct.callee;
    for (const Slot& slot : construct.slots) {
      call.arguments.push_back({slot.name, values.at(next++), slot.style, slot.default_value});
    }
    return to_string(call);
  }
  std::vector<std::string> items;
  for (const auto& [name, child] : construct.children) {
    items.push_back(child_prefix(construct, name) + construct_text(child, values, next) + child_suffix(construct));
  }
  const Brackets brackets = brackets_of(construct.kind);
  return construct.callee + brackets.open + join(items, ", ") + brackets.close;
}

void append_construct(std::string& out, int indent, const std::string& prefix, const std::string& suffix,
                      const Construct& construct, const std::vector<std::string>& values, size_t& next) {
  if (is_leaf(construct) || construct.children.empty()) {
    append_line(out, indent, prefix + construct_text(construct, values, next) + suffix);
    return;
  }
  const Brackets brackets = brackets_of(construct.kind);
  append_line(out, indent, prefix + construct.callee + brackets.open);
  for (const auto& [name, child] : construct.children) {
    append_construct(out, indent + 4, child_prefix(construct, name), child_suffix(construct) + ",", child, values,
                     next);
  }
  append_line(out, indent, brackets.close + suffix);
}

}  // namespace tinyml::codegen
