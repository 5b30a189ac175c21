#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace prometheus {
class Counter;
class Gauge;
class Histogram;
}  // namespace prometheus

namespace waypost::base {

// Handles are cheap to copy, thread-safe, and live as long as their Metrics. A default one does
// nothing.
class Counter {
 public:
  Counter() = default;
  void Add(double amount = 1) const;
  double value() const;

 private:
  friend class Metrics;
  prometheus::Counter* counter_ = nullptr;
};

class Gauge {
 public:
  Gauge() = default;
  void Set(double value) const;
  void Add(double amount) const;
  double value() const;

 private:
  friend class Metrics;
  prometheus::Gauge* gauge_ = nullptr;
};

// Gauges of one name whose labels come and go.
class GaugeFamily {
 public:
  using Values = std::vector<std::pair<std::map<std::string, std::string>, double>>;
  GaugeFamily() = default;
  // Those of now, each with labels of its own; what is not among them is not rendered any more.
  void Set(const Values& values) const;

 private:
  friend class Metrics;
  struct State;
  std::shared_ptr<State> state_;
};

class Histogram {
 public:
  Histogram() = default;
  void Observe(double value) const;

 private:
  friend class Metrics;
  prometheus::Histogram* histogram_ = nullptr;
};

// All metrics of one service, rendered in the Prometheus text format. Owned by the service; the
// parts register what they count when they are constructed, so that every counter is there from the
// start.
class Metrics {
 public:
  using Labels = std::map<std::string, std::string>;

  Metrics();
  ~Metrics();
  // The same name may be added again with other labels; the same name and labels give the same
  // metric.
  Counter AddCounter(const std::string& name, const std::string& help, const Labels& labels = {});
  Gauge AddGauge(const std::string& name, const std::string& help, const Labels& labels = {});
  GaugeFamily AddGaugeFamily(const std::string& name, const std::string& help);
  // `bounds`: ascending upper bounds of the buckets.
  Histogram AddHistogram(const std::string& name, const std::string& help,
                         const std::vector<double>& bounds, const Labels& labels = {});
  // Called before each Render, to set gauges that are looked up. Must be quick.
  void AddRefresher(std::function<void()> refresh);
  std::string Render();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace waypost::base
