import Gemma
import Tensors
import Testing

/// The roles that are given where a parameter is made agree with the names in checkpoints.
@Suite struct ParameterRoleTests {
  private func expectedRole(_ name: String) -> ParameterRole? {
    if name == "model.embed_tokens.weight" { return .embedding }
    if name.hasSuffix("norm.weight") { return .norm }
    let module = LinearModule.allCases.first { name.contains(".\($0.rawValue).") }
    if name.hasSuffix(".lora_A.weight") { return module.map(ParameterRole.adapterA) }
    if name.hasSuffix(".lora_B.weight") { return module.map(ParameterRole.adapterB) }
    return module.map(ParameterRole.matrix)
  }

  @Test(arguments: families, [TrainedParameters.all, .adapters])
  func rolesAreThoseThatTheNamesTell(family: String, trained: TrainedParameters) throws {
    let parameters = try ModelFixture(family, adapter: true).model.parameters(trained)
    #expect(parameters.count > 10)
    for parameter in parameters {
      #expect(parameter.role == expectedRole(parameter.name), "\(parameter.name)")
    }
  }

  @Test(arguments: families) func aModelHasTheParametersThatItsConfigurationDemands(family: String) throws {
    let model = try ModelFixture(family).model
    let parameters = model.parameters(.all).map { ParameterShape($0.name, $0.role, $0.tensor.shape) }
    #expect(parameters == WeightNames.all(in: model.configuration))
    #expect(model.configuration.parameterCount() == parameters.reduce(0) { $0 + $1.count })
  }

  @Test func onlyMatricesAreFactorsOfOneProduct() {
    #expect(!ParameterRole.embedding.isMatrixFactor && !ParameterRole.norm.isMatrixFactor)
    for module in LinearModule.allCases {
      for role in [ParameterRole.matrix(module), .adapterA(module), .adapterB(module)] {
        #expect(role.isMatrixFactor)
      }
    }
  }

  @Test func gemma1NormsItsMLPsInputByTheNameOfLaterFamiliesNormAfterAttention() {
    let first = LayerNormPlaces(.gemma)
    #expect(first.beforeMLP == .postAttention && first.afterAttention == nil && first.queries == nil)
    let third = LayerNormPlaces(.gemma3)
    #expect(third.beforeMLP == .preFeedforward && third.afterAttention == .postAttention)
    #expect(LayerNormPlaces(.gemma2).all + [.query, .key] == third.all)
  }
}
