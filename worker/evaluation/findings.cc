#include "worker/evaluation/findings.h"

#include <algorithm>
#include <cstdio>

namespace mind::evaluation {
namespace {

using Cells = std::vector<std::string>;

std::string Text(const char* format, double value) {
  char text[32];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string Share(int64_t right, int64_t of) {
  if (of == 0) return "";
  return Text("%.1f %%", 100.0 * static_cast<double>(right) / static_cast<double>(of));
}

Cells RowOf(const Findings& found) {
  const Judgement judgement = found.judgement.value_or(Judgement{});
  return {found.subject,
          std::to_string(found.pictures) + " of " + std::to_string(found.width) + "x" +
              std::to_string(found.height),
          found.fid ? Text("%.3f", *found.fid) : "",
          found.kid ? Text("%.4f", *found.kid) : "",
          Share(judgement.first, judgement.things),
          Share(judgement.among_five, judgement.things),
          Share(judgement.right_colours, judgement.colours)};
}

// Counts characters, not bytes.
size_t Width(const std::string& text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](unsigned char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace

std::string Table(const std::vector<Findings>& findings) {
  std::vector<Cells> rows = {
      {"", "pictures", "FID", "KID", "thing is likeliest", "thing is among 5", "colour is right"}};
  for (const Findings& found : findings) rows.push_back(RowOf(found));
  std::vector<size_t> widths(rows.front().size(), 0);
  for (size_t column = 0; column < widths.size(); ++column) {
    bool known = false;
    for (size_t row = 0; row < rows.size(); ++row) {
      widths[column] = std::max(widths[column], Width(rows[row][column]));
      known |= row > 0 && !rows[row][column].empty();
    }
    if (!known) widths[column] = 0;
  }
  std::string table;
  for (size_t row = 0; row < rows.size(); ++row) {
    std::string line = "|", rule = "|";
    for (size_t column = 0; column < widths.size(); ++column) {
      if (widths[column] == 0) continue;
      const std::string& cell = rows[row][column];
      line += " " + cell + std::string(widths[column] - Width(cell), ' ') + " |";
      rule += " " + std::string(widths[column], '-') + " |";
    }
    table += line + "\n";
    if (row == 0) table += rule + "\n";
  }
  return table;
}

std::string VerdictLines(const std::vector<Findings>& findings) {
  std::string lines = "subject\tprompt\tthing\tseen\tlikelier\tcolour\tseen\n";
  for (const Findings& found : findings) {
    if (!found.judgement) continue;
    for (size_t i = 0; i < found.prompts.size(); ++i) {
      const Prompt& prompt = found.prompts[i];
      const Verdict& verdict = found.judgement->verdicts[i];
      const std::string likelier =
          verdict.likelier_things ? std::to_string(*verdict.likelier_things) : std::string();
      for (const std::string* field : {&found.subject, &prompt.text, &prompt.thing, &verdict.thing, &likelier,
                                       &prompt.colour, &verdict.colour})
        lines += *field + "\t";
      lines.back() = '\n';
    }
  }
  return lines;
}

}  // namespace mind::evaluation
