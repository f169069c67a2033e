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
    default:
      return {"(", ")"};
  }
}

std::string child_prefix(const Construct& construct, const std::string& name) {
  if (construct.kind == Construct::Kind::kDict) return string_literal(name) + ": ";
  if (construct.kind == Construct::Kind::kOrdered) return name + "=";
  return "";
}

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
    items.push_back(child_prefix(construct, name) + construct_text(child, values, next));
  }
  const Brackets brackets = brackets_of(construct.kind);
  return construct.callee + brackets.open + join(items, ", ") + brackets.close;
}

void append_construct(std::string& out, int indent, const std::string& prefix, const Construct& construct,
                      const std::vector<std::string>& values, size_t& next) {
  if (is_leaf(construct) || construct.children.empty()) {
    append_line(out, indent, prefix + construct_text(construct, values, next));
    return;
  }
  const Brackets brackets = brackets_of(construct.kind);
  const bool trailing_comma = prefix.ends_with('\n');
  const std::string head = trailing_comma ? prefix.substr(0, prefix.size() - 1) : prefix;
  append_line(out, indent, head + construct.callee + brackets.open);
  for (const auto& [name, child] : construct.children) {
    const std::string child_head = child_prefix(construct, name);
    if (is_leaf(child) || child.children.empty()) {
      append_line(out, indent + 4, child_head + construct_text(child, values, next) + ",");
    } else {
      append_construct(out, indent + 4, child_head + "\n", child, values, next);
    }
  }
  append_line(out, indent, brackets.close + (trailing_comma ? "," : ""));
}

}  // namespace tinyml::codegen
