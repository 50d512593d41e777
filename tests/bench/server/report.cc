#include "tests/bench/server/report.h"

#include <cmath>
#include <cstdio>
#include <fstream>
#include <stdexcept>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"

namespace mind::bench {
namespace {

std::string Line(const std::vector<std::string>& cells) {
  return absl::StrCat("| ", absl::StrJoin(cells, " | "), " |\n");
}

}  // namespace

std::string Shown(double value) {
  if (!std::isfinite(value)) return "–";
  const double size = std::abs(value);
  const int digits = size == 0 || size >= 99.95 ? 0 : size >= 9.995 ? 1 : size >= 0.9995 ? 2 : 3;
  return absl::StrFormat("%.*f", digits, value);
}

void Report::Add(Table table) {
  std::string text = absl::StrCat("\n### ", table.title, "\n\n", table.what, "\n\n", Line(table.columns),
                                  Line(std::vector<std::string>(table.columns.size(), "---")));
  for (const Row& row : table.rows) {
    std::vector<std::string> cells = {row.label};
    for (const double value : row.values) cells.push_back(Shown(value));
    if (cells.size() != table.columns.size())
      throw std::logic_error(table.title + ": a row unlike its columns");
    text += Line(cells);
  }
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
  tables_.push_back(std::move(table));
}

nlohmann::json Report::ToJson() const {
  nlohmann::json json = {{"machine", Machine()},
                         {"time", absl::FormatTime(absl::RFC3339_sec, absl::Now(), absl::UTCTimeZone())},
                         {"tables", nlohmann::json::array()}};
  for (const Table& table : tables_) {
    nlohmann::json rows = nlohmann::json::array();
    for (const Row& row : table.rows) rows.push_back({{"label", row.label}, {"values", row.values}});
    json["tables"].push_back({{"title", table.title},
                              {"what", table.what},
                              {"columns", table.columns},
                              {"rows", std::move(rows)}});
  }
  return json;
}

std::string Report::Machine() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    absl::string_view rest = line;
    if (!absl::ConsumePrefix(&rest, "model name")) continue;
    return absl::StrCat(std::thread::hardware_concurrency(), " × ",
                        rest.substr(std::min(rest.find_first_not_of("\t :"), rest.size())));
  }
  return absl::StrCat(std::thread::hardware_concurrency(), " processors");
}

}  // namespace mind::bench
