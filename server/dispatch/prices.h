// What models cost, by what workers report: a row takes a + b · pixels, a and b by model.
//
// Workers differ in speed, and report seconds a row for the size that the model makes of itself, which may
// differ between them. What is common to them is how time grows with size: that is fitted to all reports of a
// model; of one size alone, in proportion. How fast each of them is, is a factor of its own; the price is for
// the mean of the connected.
//
// Plain state, like the dispatcher it belongs to.
#ifndef MIND_SERVER_DISPATCH_PRICES_H_
#define MIND_SERVER_DISPATCH_PRICES_H_

#include <map>
#include <string>

#include "server/queue/work.h"

namespace mind::server {

class Prices {
 public:
  // A worker takes so long a row of pictures of this size; 0: the size is not known. Whether the
  // price has changed.
  bool Report(const std::string& worker, const std::string& model, double row_seconds, double megapixels);
  // It has gone: the price is that of the others. Without others it stays what it was. Whether it has
  // changed.
  bool Forget(const std::string& worker, const std::string& model);
  // What was known before a restart; until a worker reports.
  void Set(const std::string& model, const Price& price) { models_[model].price = price; }

  // Null if nothing is known.
  const Price* Find(const std::string& model) const;
  // All that is known, by model.
  std::map<std::string, Price> All() const;

 private:
  struct Measured {
    double row_seconds = 0;
    double megapixels = 0;
    double factor = 0;  // of the shape at that size
  };
  // Least squares over seconds by size, old reports fading.
  struct Fit {
    double n = 0, x = 0, y = 0, xx = 0, xy = 0;
    void Add(double megapixels, double seconds);
    // How time grows with size, up to a factor.
    Price Shape() const;
  };
  struct Model {
    Price price;
    Fit fit;
    Price shape = {.row = 1};  // as long as no size is known: the same for all
    int since_shape = 0;       // reports
    std::map<std::string, Measured> workers;
    double factors = 0;  // sum over workers
  };

  static void Reshape(Model& model);
  static bool Reprice(Model& model);

  std::map<std::string, Model> models_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_DISPATCH_PRICES_H_
