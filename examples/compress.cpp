// Prunes a model and writes it as a .tflite file, without Python: compress MODEL.pt2 OUTPUT.tflite [SHARE OF FLOPS TO
// KEEP]
#include <tinyml/archive.h>
#include <tinyml/convert.h>
#include <tinyml/functionalize.h>
#include <tinyml/prune.h>
#include <tinyml/tflite.h>

#include <cstdlib>
#include <iostream>

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: compress MODEL.pt2 OUTPUT.tflite [SHARE OF FLOPS TO KEEP, default 0.5]\n";
    return 2;
  }
  try {
    const tinyml::Graph graph = tinyml::normalize(tinyml::read_pt2(argv[1]));
    const tinyml::DependencyGraph dependencies = tinyml::analyze_dependencies(graph);

    tinyml::PruningConfig config;
    config.target_flops = argc > 3 ? std::atof(argv[3]) : 0.5;
    const tinyml::PruningPlan plan = tinyml::plan_pruning(graph, dependencies, config);
    tinyml::verify_plan(graph, dependencies, plan);  // the pruned model equals the masked original, or this throws
    const tinyml::Graph pruned = tinyml::apply_plan(graph, dependencies, plan);

    const tinyml::ConvertResult result = tinyml::convert(pruned);
    tinyml::tflite::write_tflite(result.model, argv[2]);

    std::cout << "MACs " << tinyml::count_cost(graph).total.macs << " -> " << tinyml::count_cost(pruned).total.macs
              << ", operators:";
    for (const auto& [name, count] : result.report.operators) std::cout << ' ' << count << ' ' << name;
    std::cout << '\n';
    return 0;
  } catch (const tinyml::Error& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
