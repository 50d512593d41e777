#include "worker/diffusion/text/pattern.h"

#include <utf8proc.h>

#include <algorithm>
#include <limits>
#include <stdexcept>

#include "worker/diffusion/text/unicode.h"

namespace mind::diffusion {
namespace {

constexpr size_t kEndlessRepeat = std::numeric_limits<size_t>::max();

bool IsPatternDigit(char32_t c) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(c)) == UTF8PROC_CATEGORY_ND;
}
bool IsPatternWord(char32_t c) {
  return c == U'_' || IsLetter(c) || IsNumber(c);
}
// Python's str.isspace, which knows four control characters more than Unicode's property.
bool IsPatternSpace(char32_t c) {
  return IsWhitespace(c) || (c >= 0x1c && c <= 0x1f);
}

bool IsOfPatternClass(char32_t c, char32_t letter) {
  switch (letter) {
    case U'd':
      return IsPatternDigit(c);
    case U'D':
      return !IsPatternDigit(c);
    case U'w':
      return IsPatternWord(c);
    case U'W':
      return !IsPatternWord(c);
    case U's':
      return IsPatternSpace(c);
    default:
      return !IsPatternSpace(c);
  }
}

bool IsPatternClass(char32_t letter) {
  return std::u32string_view(U"dDwWsS").find(letter) != std::u32string_view::npos;
}

bool IsAtWordEdge(std::u32string_view text, size_t at) {
  const bool before = at > 0 && IsPatternWord(text[at - 1]),
             after = at < text.size() && IsPatternWord(text[at]);
  return before != after;
}

}  // namespace

bool Pattern::Set::Has(char32_t c) const {
  const bool found = std::any_of(ranges.begin(), ranges.end(),
                                 [c](const auto& range) { return c >= range.first && c <= range.second; }) ||
                     std::any_of(classes.begin(), classes.end(),
                                 [c](char32_t letter) { return IsOfPatternClass(c, letter); });
  return found != negated;
}

class Pattern::Parser {
 public:
  explicit Parser(std::u32string_view rest) : rest_(rest) {}

  Sequence Whole() {
    Item group;
    Alternatives(group);
    if (!rest_.empty()) Fail("a ) too many");
    return group.alternatives.size() == 1 ? std::move(group.alternatives.front())
                                          : Sequence{std::move(group)};
  }

 private:
  [[noreturn]] static void Fail(const char* what) {
    throw std::logic_error(std::string("an expression has ") + what);
  }
  bool Next(std::u32string_view text) {
    if (!rest_.starts_with(text)) return false;
    rest_.remove_prefix(text.size());
    return true;
  }
  char32_t Take() {
    if (rest_.empty()) Fail("no end");
    const char32_t c = rest_.front();
    rest_.remove_prefix(1);
    return c;
  }

  void Alternatives(Item& group) {
    group.kind = Item::Kind::kGroup;
    do {
      Sequence items;
      while (!rest_.empty() && rest_.front() != U'|' && rest_.front() != U')') items.push_back(One());
      group.alternatives.push_back(std::move(items));
    } while (Next(U"|"));
  }

  Item One() {
    Item item;
    if (Next(U"^")) {
      item.kind = Item::Kind::kBegin;
    } else if (Next(U"$")) {
      item.kind = Item::Kind::kEnd;
    } else if (Next(U"\\b")) {
      item.kind = Item::Kind::kWordEdge;
    } else if (Next(U"(")) {
      const bool ahead = Next(U"?!");
      item.captures = !ahead && !Next(U"?:");
      Alternatives(item);
      if (ahead) item.kind = Item::Kind::kNotAhead;
      if (!Next(U")")) Fail("a group without an end");
      if (Next(U"?")) item.least = 0;
    } else {
      if (Next(U"[")) {
        ReadSet(item.set);
      } else {
        Member(item.set);
      }
      ReadRepeat(item);
    }
    return item;
  }

  // One character or class, and whether it is a character.
  bool Member(Set& set) {
    char32_t c = Take();
    if (c == U'\\') {
      c = Take();
      if (IsPatternClass(c)) {
        set.classes += c;
        return false;
      }
    }
    set.ranges.emplace_back(c, c);
    return true;
  }

  void ReadSet(Set& set) {
    set.negated = Next(U"^");
    while (!Next(U"]")) {
      const bool character = Member(set);
      if (!character || rest_.size() < 2 || rest_[0] != U'-' || rest_[1] == U']') continue;
      Take();
      Set last;
      if (!Member(last)) Fail("a range up to a class");
      set.ranges.back().second = last.ranges.back().first;
    }
  }

  size_t Number() {
    size_t number = 0;
    while (!rest_.empty() && rest_.front() >= U'0' && rest_.front() <= U'9')
      number = 10 * number + (Take() - U'0');
    return number;
  }

  void ReadRepeat(Item& item) {
    if (Next(U"?")) {
      item.least = 0;
    } else if (Next(U"*")) {
      item.least = 0;
      item.most = kEndlessRepeat;
    } else if (Next(U"+")) {
      item.most = kEndlessRepeat;
    } else if (Next(U"{")) {
      item.least = item.most = Number();
      if (Next(U",")) item.most = rest_.starts_with(U"}") ? kEndlessRepeat : Number();
      if (!Next(U"}")) Fail("a { without an end");
    }
  }

  std::u32string_view rest_;
};

Pattern::Pattern(std::u32string_view expression) : items_(Parser(expression).Whole()) {}

bool Pattern::MatchesGroup(const Sequence& items, size_t first, std::u32string_view text, size_t at,
                           Match& match, const Then& then) {
  const Item& item = items[first];
  const std::u32string_view before = match.group;
  for (const Sequence& alternative : item.alternatives) {
    const bool found = Matches(alternative, 0, text, at, match, [&](size_t end) {
      if (item.captures) match.group = text.substr(at, end - at);
      return Matches(items, first + 1, text, end, match, then);
    });
    if (found) return true;
    match.group = before;
  }
  return item.least == 0 && Matches(items, first + 1, text, at, match, then);
}

bool Pattern::Matches(const Sequence& items, size_t first, std::u32string_view text, size_t at, Match& match,
                      const Then& then) {
  if (first == items.size()) return then(at);
  const Item& item = items[first];
  const auto rest = [&](size_t from) { return Matches(items, first + 1, text, from, match, then); };
  switch (item.kind) {
    case Item::Kind::kGroup:
      return MatchesGroup(items, first, text, at, match, then);
    case Item::Kind::kNotAhead:
      for (const Sequence& alternative : item.alternatives) {
        if (Matches(alternative, 0, text, at, match, [](size_t) { return true; })) return false;
      }
      return rest(at);
    case Item::Kind::kBegin:
      return at == 0 && rest(at);
    case Item::Kind::kEnd:  // or before a line's end that ends the text
      return (at == text.size() || (at + 1 == text.size() && text[at] == U'\n')) && rest(at);
    case Item::Kind::kWordEdge:
      return IsAtWordEdge(text, at) && rest(at);
    case Item::Kind::kSet:
      break;
  }
  size_t count = 0;
  while (count < item.most && at + count < text.size() && item.set.Has(text[at + count])) ++count;
  const Item* const next = first + 1 < items.size() ? &items[first + 1] : nullptr;
  const bool next_is_character = next != nullptr && next->kind == Item::Kind::kSet && next->least > 0;
  for (size_t taken = count + 1; taken-- > item.least;) {
    const size_t end = at + taken;
    // What cannot go on is not tried: of long texts that is nearly everything.
    if (next_is_character && (end >= text.size() || !next->set.Has(text[end]))) continue;
    if (rest(end)) return true;
  }
  return false;
}

Pattern::Match Pattern::Find(std::u32string_view text, size_t from) const {
  for (size_t at = from; at < text.size(); ++at) {
    Match match{.begin = at, .end = at, .group = {}};
    const bool found = Matches(items_, 0, text, at, match, [&](size_t end) {
      match.end = end;
      return end > at;
    });
    if (found) return match;
  }
  return {.begin = std::u32string_view::npos, .end = 0, .group = {}};
}

std::u32string Pattern::Replace(std::u32string_view text, std::u32string_view by) const {
  constexpr std::u32string_view kGroup = U"\\1";
  const size_t place = by.find(kGroup);
  std::u32string replaced;
  size_t done = 0;
  for (Match match = Find(text, 0); match.begin != std::u32string_view::npos; match = Find(text, done)) {
    replaced += text.substr(done, match.begin - done);
    replaced += by.substr(0, place);
    if (place != std::u32string_view::npos) {
      replaced += match.group;
      replaced += by.substr(place + kGroup.size());
    }
    done = match.end;
  }
  replaced += text.substr(done);
  return replaced;
}

size_t Pattern::Count(std::u32string_view text) const {
  size_t count = 0;
  for (Match match = Find(text, 0); match.begin != std::u32string_view::npos; match = Find(text, match.end))
    ++count;
  return count;
}

}  // namespace mind::diffusion
