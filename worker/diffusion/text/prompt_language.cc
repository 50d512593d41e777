#include "worker/diffusion/text/prompt_language.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "worker/diffusion/error.h"
#include "worker/diffusion/text/unicode.h"

namespace mind::diffusion {
namespace {

constexpr double kRound = 1.1, kSquare = 1 / 1.1;
constexpr std::u32string_view kBreak = U"BREAK", kSpecial = U"\\()[]:";

bool IsWordCharacter(char32_t c) {
  return c == U'_' || IsLetter(c) || IsNumber(c);
}

double WeightOf(std::u32string_view number) {
  const std::string text = EncodeUtf8(number);
  const size_t sign = text[0] == '+' ? 1 : 0;
  double weight = 0;
  const auto [end, error] = std::from_chars(text.data() + sign, text.data() + text.size(), weight);
  if (error == std::errc() && end == text.data() + text.size()) return weight;
  throw RequestError("the prompt has a weight that is no number: \"" + text.substr(0, 40) +
                     "\" (a colon before a closing bracket begins one; \"\\)\" is a bracket that is text)");
}

class Parser {
 public:
  explicit Parser(std::string_view prompt) : text_(DecodeUtf8(prompt)) {}

  std::vector<PromptPiece> Run() {
    while (place_ < text_.size()) Next();
    // What is left open acts to the end.
    for (const size_t begin : round_) Multiply(begin, kRound);
    for (const size_t begin : square_) Multiply(begin, kSquare);
    if (pieces_.empty()) pieces_.push_back({});
    // Nothing could be computed with them, and that would be taken for the model's fault.
    if (!std::all_of(pieces_.begin(), pieces_.end(), [](const auto& p) { return std::isfinite(p.weight); })) {
      throw RequestError("the prompt has brackets in brackets whose weights together are beyond any number");
    }
    return Merged();
  }

 private:
  void Next() {
    const char32_t c = text_[place_];
    if (c == U'\\') {
      const bool escapes = place_ + 1 < text_.size() && text_[place_ + 1] != U':' &&
                           kSpecial.find(text_[place_ + 1]) != std::u32string_view::npos;
      Add(escapes ? std::u32string_view(text_).substr(place_ + 1, 1) : std::u32string_view());
      place_ += escapes ? 2 : 1;
    } else if (c == U'(') {
      round_.push_back(pieces_.size());
      ++place_;
    } else if (c == U'[') {
      square_.push_back(pieces_.size());
      ++place_;
    } else if (c == U')' && !round_.empty()) {
      Close(round_, kRound);
      ++place_;
    } else if (c == U']' && !square_.empty()) {
      Close(square_, kSquare);
      ++place_;
    } else if (const std::optional<Weight> weight = WeightHere(); weight && !round_.empty()) {
      Close(round_, WeightOf(weight->number));
      place_ += weight->length;
    } else {
      size_t length = weight ? weight->length : 1;
      if (kSpecial.find(c) == std::u32string_view::npos)
        length = std::min(text_.find_first_of(kSpecial, place_), text_.size()) - place_;
      AddText(std::u32string_view(text_).substr(place_, length));
      place_ += length;
    }
  }

  struct Weight {
    std::u32string_view number;
    size_t length = 0;  // with the colon and the bracket around it
  };

  // ": 1.2 )" at this place.
  std::optional<Weight> WeightHere() const {
    if (text_[place_] != U':') return std::nullopt;
    const std::u32string_view text = text_;
    size_t at = place_ + 1;
    const auto skip_blanks = [&] {
      while (at < text.size() && IsWhitespace(text[at])) ++at;
    };
    skip_blanks();
    const size_t begin = at;
    if (at < text.size() && (text[at] == U'+' || text[at] == U'-')) ++at;
    const size_t digits = at;
    while (at < text.size() && (text[at] == U'.' || (text[at] >= U'0' && text[at] <= U'9'))) ++at;
    if (at == digits) return std::nullopt;
    const std::u32string_view number = text.substr(begin, at - begin);
    skip_blanks();
    if (at == text.size() || text[at] != U')') return std::nullopt;
    return Weight{number, at + 1 - place_};
  }

  void Add(std::u32string_view text) { pieces_.push_back({EncodeUtf8(text), 1}); }

  // Parted at every BREAK that is a word of its own, blanks around which belong to it.
  void AddText(std::u32string_view text) {
    size_t begin = 0;
    for (size_t at = text.find(kBreak); at != std::u32string_view::npos; at = text.find(kBreak, at + 1)) {
      const size_t end = at + kBreak.size();
      if ((at > 0 && IsWordCharacter(text[at - 1])) || (end < text.size() && IsWordCharacter(text[end])))
        continue;
      size_t before = at, after = end;
      while (before > begin && IsWhitespace(text[before - 1])) --before;
      while (after < text.size() && IsWhitespace(text[after])) ++after;
      Add(text.substr(begin, before - begin));
      pieces_.push_back({EncodeUtf8(kBreak), -1});
      begin = after;
    }
    Add(text.substr(begin));
  }

  void Close(std::vector<size_t>& open, double weight) {
    Multiply(open.back(), weight);
    open.pop_back();
  }

  void Multiply(size_t begin, double weight) {
    for (size_t i = begin; i < pieces_.size(); ++i) pieces_[i].weight *= weight;
  }

  std::vector<PromptPiece> Merged() const {
    std::vector<PromptPiece> merged;
    for (const PromptPiece& piece : pieces_) {
      if (!merged.empty() && merged.back().weight == piece.weight) {
        merged.back().text += piece.text;
      } else {
        merged.push_back(piece);
      }
    }
    return merged;
  }

  const std::u32string text_;
  size_t place_ = 0;
  std::vector<PromptPiece> pieces_;
  std::vector<size_t> round_, square_;  // brackets that are open: the first piece in them
};

}  // namespace

std::vector<PromptPiece> ParsePrompt(std::string_view prompt) {
  return Parser(prompt).Run();
}

}  // namespace mind::diffusion
