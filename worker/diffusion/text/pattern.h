// Regular expressions over code points, as far as rules about captions are written in them: Python's syntax
// and meaning (re, str patterns) of characters, sets, \d \w \s and their opposites, \b, ^, $, groups,
// alternatives, (?!…) and greedy repeats. Only single characters and sets repeat more than once, so that
// matching goes as deep as the expression is long, however long the text is; the standard library's matcher
// goes as deep as the text.
#ifndef MIND_WORKER_DIFFUSION_TEXT_PATTERN_H_
#define MIND_WORKER_DIFFUSION_TEXT_PATTERN_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mind::diffusion {

// Immutable; any thread may call.
class Pattern {
 public:
  // Expressions are the program's own: a mistake in one is a std::logic_error.
  explicit Pattern(std::u32string_view expression);

  // All matches, from the left and not overlapping, replaced by `by`, in which \1 is the first group's text.
  std::u32string Replace(std::u32string_view text, std::u32string_view by) const;
  size_t Count(std::u32string_view text) const;

 private:
  class Parser;

  struct Set {
    std::vector<std::pair<char32_t, char32_t>> ranges;
    std::u32string classes;  // 'd', 'w', 's' and their opposites
    bool negated = false;

    bool Has(char32_t c) const;
  };
  struct Item;
  using Sequence = std::vector<Item>;
  struct Item {
    enum class Kind { kSet, kGroup, kNotAhead, kBegin, kEnd, kWordEdge };
    Kind kind = Kind::kSet;
    Set set;
    std::vector<Sequence> alternatives;  // of a group
    bool captures = false;
    size_t least = 1, most = 1;
  };
  struct Match {
    size_t begin = 0, end = 0;
    std::u32string_view group;  // the first
  };
  using Then = std::function<bool(size_t at)>;

  // The first match from `from` on; begin is npos where there is none.
  Match Find(std::u32string_view text, size_t from) const;
  static bool Matches(const Sequence& items, size_t first, std::u32string_view text, size_t at, Match& match,
                      const Then& then);
  static bool MatchesGroup(const Sequence& items, size_t first, std::u32string_view text, size_t at,
                           Match& match, const Then& then);

  Sequence items_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_TEXT_PATTERN_H_
