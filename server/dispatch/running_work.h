// What runs, by model: how many jobs, and what is left of their pictures, by priority.
//
// Plain state, like the dispatcher it belongs to.
#ifndef MIND_SERVER_DISPATCH_RUNNING_WORK_H_
#define MIND_SERVER_DISPATCH_RUNNING_WORK_H_

#include <cstdint>
#include <map>
#include <string>

#include "server/queue/work.h"

namespace mind::server {

class RunningWork {
 public:
  void CountJob(const std::string& model, int by) { models_[model].jobs += by; }
  // A picture of this priority begins, with so much to do; ends or is stopped, with so much left; gets on.
  void Add(const std::string& model, int priority, const Work& work) {
    Amount& amount = models_[model].amounts[priority];
    ++amount.pictures;
    amount.left += work;
  }
  void Remove(const std::string& model, int priority, const Work& left) {
    Amount& amount = models_[model].amounts[priority];
    amount.left -= left;
    if (--amount.pictures == 0) amount.left = Work();  // no rounding is carried along
  }
  void Change(const std::string& model, int priority, const Work& before, const Work& after) {
    Amount& amount = models_[model].amounts[priority];
    amount.left -= before;
    amount.left += after;
  }

  // What is left of pictures of this priority or higher, and how many they are.
  template <typename Visit>
  void ForEach(int priority, Visit visit) const {
    for (const auto& [name, model] : models_) {
      Work left;
      int64_t pictures = 0;
      for (auto amount = model.amounts.lower_bound(priority); amount != model.amounts.end(); ++amount) {
        left += amount->second.left;
        pictures += amount->second.pictures;
      }
      if (left.rows > 0) visit(name, left, pictures);
    }
  }
  std::map<std::string, int64_t> Jobs() const {
    std::map<std::string, int64_t> jobs;
    for (const auto& [name, model] : models_) {
      if (model.jobs > 0) jobs[name] = model.jobs;
    }
    return jobs;
  }

 private:
  struct Amount {
    int64_t pictures = 0;
    Work left;
  };
  struct Model {
    int64_t jobs = 0;
    std::map<int, Amount> amounts;  // by priority
  };
  std::map<std::string, Model> models_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_DISPATCH_RUNNING_WORK_H_
