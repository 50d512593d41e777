// What a run has measured: tables for people, as docs/benchmarks.md has them, and JSON for charts.
#ifndef MIND_TESTS_BENCH_SERVER_REPORT_H_
#define MIND_TESTS_BENCH_SERVER_REPORT_H_

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace mind::bench {

struct Row {
  std::string label;
  std::vector<double> values;  // one a column beside the first; not a number: not measured
};

struct Table {
  std::string title;
  std::string what;                  // how it was measured, in a line
  std::vector<std::string> columns;  // the first is the labels'; the others say their unit
  std::vector<Row> rows;
};

class Report {
 public:
  // Prints it at once: runs are long.
  void Add(Table table);
  // The machine, the time and all tables.
  nlohmann::json ToJson() const;
  // "2 × AMD EPYC".
  static std::string Machine();

 private:
  std::vector<Table> tables_;
};

// Three digits, or all before the point.
std::string Shown(double value);

}  // namespace mind::bench

#endif  // MIND_TESTS_BENCH_SERVER_REPORT_H_
