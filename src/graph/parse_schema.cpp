#include "graph/parse_schema.h"

#include <array>
#include <cctype>
#include <charconv>
#include <string>
#include <utility>

namespace tinyml {
namespace {

struct TypeName {
  std::string_view text;
  SchemaKind kind;
  bool symbolic;
};
constexpr std::array<TypeName, 15> kTypeNames{{{"Tensor", SchemaKind::kTensor, false},
                                               {"int", SchemaKind::kInt, false},
                                               {"SymInt", SchemaKind::kInt, true},
                                               {"float", SchemaKind::kFloat, false},
                                               {"SymFloat", SchemaKind::kFloat, true},
                                               {"bool", SchemaKind::kBool, false},
                                               {"SymBool", SchemaKind::kBool, true},
                                               {"complex", SchemaKind::kComplex, false},
                                               {"Scalar", SchemaKind::kScalar, false},
                                               {"str", SchemaKind::kString, false},
                                               {"ScalarType", SchemaKind::kScalarType, false},
                                               {"Layout", SchemaKind::kLayout, false},
                                               {"Device", SchemaKind::kDevice, false},
                                               {"MemoryFormat", SchemaKind::kMemoryFormat, false},
                                               {"Generator", SchemaKind::kGenerator, false}}};

// Schema defaults of enumerations are written as c10's numbers.
constexpr std::array<ScalarType, 12> kC10ScalarTypes{
    ScalarType::kUInt8,   ScalarType::kInt8,      ScalarType::kInt16,      ScalarType::kInt32,
    ScalarType::kInt64,   ScalarType::kFloat16,   ScalarType::kFloat32,    ScalarType::kFloat64,
    ScalarType::kFloat16, ScalarType::kComplex64, ScalarType::kComplex128, ScalarType::kBool};
constexpr std::array<MemoryFormat, 4> kC10MemoryFormats{MemoryFormat::kContiguous, MemoryFormat::kPreserve,
                                                        MemoryFormat::kChannelsLast, MemoryFormat::kChannelsLast3d};

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  OpSchema parse() {
    OpSchema schema;
    const size_t open = text_.find('(');
    TINYML_CHECK(open != std::string_view::npos);
    schema.name = std::string(text_.substr(0, open));
    position_ = open + 1;
    bool keyword_only = false;
    while (!accept(')')) {
      if (accept('*')) {
        keyword_only = true;
      } else {
        schema.arguments.push_back(argument(keyword_only));
      }
      accept(',');
    }
    TINYML_CHECK(accept('-') && accept('>'));
    if (accept('(')) {
      while (!accept(')')) {
        schema.returns.push_back(type());
        identifier();  // A result may be named.
        accept(',');
      }
    } else {
      schema.returns.push_back(type());
      identifier();
    }
    skip_spaces();
    TINYML_CHECK(position_ == text_.size());
    return schema;
  }

 private:
  void skip_spaces() {
    while (position_ < text_.size() && text_[position_] == ' ') ++position_;
  }
  bool accept(char c) {
    skip_spaces();
    if (position_ >= text_.size() || text_[position_] != c) return false;
    ++position_;
    return true;
  }
  std::string_view identifier() {
    skip_spaces();
    const size_t start = position_;
    while (position_ < text_.size() &&
           (std::isalnum(static_cast<unsigned char>(text_[position_])) != 0 || text_[position_] == '_')) {
      ++position_;
    }
    return text_.substr(start, position_ - start);
  }

  SchemaType type() {
    SchemaType type;
    const std::string_view name = identifier();
    const TypeName* known = nullptr;
    for (const TypeName& candidate : kTypeNames) {
      if (candidate.text == name) known = &candidate;
    }
    TINYML_CHECK(known != nullptr);
    type.kind = known->kind;
    type.symbolic = known->symbolic;
    alias(type);
    type.optional = accept('?');
    if (accept('[')) {
      type.list = true;
      type.optional_items = std::exchange(type.optional, false);
      const std::string_view size = identifier();
      if (!size.empty()) std::from_chars(size.data(), size.data() + size.size(), type.list_size);
      TINYML_CHECK(accept(']'));
      alias(type);
      type.optional = accept('?');
    }
    return type;
  }

  /// "(a)", "(a!)", "(a -> *)", "(b|a)": the first letter, and whether it is written.
  void alias(SchemaType& type) {
    if (position_ >= text_.size() || text_[position_] != '(') return;
    ++position_;
    type.alias = std::string(identifier());
    while (!accept(')')) {
      type.mutated |= text_[position_] == '!';
      ++position_;
    }
  }

  SchemaArgument argument(bool keyword_only) {
    SchemaArgument argument;
    argument.type = type();
    argument.name = std::string(identifier());
    argument.keyword_only = keyword_only;
    if (accept('=')) {
      Argument value = literal(argument.type);
      if (argument.type.list && value.is_number()) {
        value = Argument::List(static_cast<size_t>(argument.type.list_size), value);
      }
      argument.default_value = std::move(value);
    }
    return argument;
  }

  Argument literal(const SchemaType& type) {
    skip_spaces();
    if (accept('[')) {
      Argument::List items;
      while (!accept(']')) {
        items.push_back(literal(type));
        accept(',');
      }
      return items;
    }
    if (accept('"')) {
      std::string text;
      while (text_[position_] != '"') {
        if (text_[position_] == '\\') ++position_;
        text += text_[position_++];
      }
      ++position_;
      return text;
    }
    const size_t end = text_.find_first_of(",)]", position_);
    const std::string_view word = text_.substr(position_, end - position_);
    position_ = end;
    if (word == "None") return {};
    if (word == "True" || word == "False") return word == "True";
    if (word.find_first_of(".en") != std::string_view::npos) return std::stod(std::string(word));
    const int64_t number = std::stoll(std::string(word));
    switch (type.kind) {
      case SchemaKind::kFloat:
        return static_cast<double>(number);
      case SchemaKind::kScalarType:
        return kC10ScalarTypes.at(static_cast<size_t>(number));
      case SchemaKind::kMemoryFormat:
        return kC10MemoryFormats.at(static_cast<size_t>(number));
      default:
        return number;
    }
  }

  std::string_view text_;
  size_t position_ = 0;
};

}  // namespace

OpSchema parse_schema(std::string_view line) { return Parser(line).parse(); }

}  // namespace tinyml
