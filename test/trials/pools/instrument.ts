/**
 * Counts branches: a transformer of the TypeScript compiler puts a counter into
 * every function, both ways of `if` and `?:`, loops, cases, catches, and behind
 * `&&`, `||` and `??`. The counters are one array, `branchCounts`, for all modules.
 */
import ts from "typescript";

export const COUNTS_NAME = "branchCounts";
/** More branches than the core has; a power of two. */
export const MOST_BRANCHES = 8192;

/** @param next gives each branch its number */
export function instrument(next: () => number): ts.TransformerFactory<ts.SourceFile> {
  return (context) => (file) => {
    const { factory } = context;
    const count = (): ts.Expression =>
      factory.createPostfixIncrement(
        factory.createElementAccessExpression(factory.createIdentifier(COUNTS_NAME), next()),
      );
    const before = (value: ts.Expression): ts.Expression =>
      factory.createParenthesizedExpression(factory.createComma(count(), value));
    const asBlock = (statement: ts.Statement | undefined): ts.Block => {
      const inside = statement === undefined ? [] : ts.isBlock(statement) ? statement.statements : [statement];
      return factory.createBlock([factory.createExpressionStatement(count()), ...inside], true);
    };
    const visit = (node: ts.Node): ts.Node => rewrite(ts.visitEachChild(node, visit, context));
    const rewrite = (node: ts.Node): ts.Node => {
      if (ts.isIfStatement(node)) {
        return factory.updateIfStatement(
          node,
          node.expression,
          asBlock(node.thenStatement),
          asBlock(node.elseStatement),
        );
      }
      if (ts.isForStatement(node)) {
        const { initializer, condition, incrementor, statement } = node;
        return factory.updateForStatement(node, initializer, condition, incrementor, asBlock(statement));
      }
      if (ts.isForOfStatement(node)) {
        return factory.updateForOfStatement(
          node,
          node.awaitModifier,
          node.initializer,
          node.expression,
          asBlock(node.statement),
        );
      }
      if (ts.isWhileStatement(node))
        return factory.updateWhileStatement(node, node.expression, asBlock(node.statement));
      if (ts.isCatchClause(node)) {
        return factory.updateCatchClause(node, node.variableDeclaration, asBlock(node.block));
      }
      if (ts.isMethodDeclaration(node) && node.body !== undefined) {
        const { modifiers, asteriskToken, name, questionToken, typeParameters, parameters, type, body } = node;
        return factory.updateMethodDeclaration(
          node,
          modifiers,
          asteriskToken,
          name,
          questionToken,
          typeParameters,
          parameters,
          type,
          asBlock(body),
        );
      }
      if (ts.isFunctionDeclaration(node) && node.body !== undefined) {
        const { modifiers, asteriskToken, name, typeParameters, parameters, type, body } = node;
        return factory.updateFunctionDeclaration(
          node,
          modifiers,
          asteriskToken,
          name,
          typeParameters,
          parameters,
          type,
          asBlock(body),
        );
      }
      if (ts.isConditionalExpression(node)) {
        const { condition, questionToken, whenTrue, colonToken, whenFalse } = node;
        return factory.updateConditionalExpression(
          node,
          condition,
          questionToken,
          before(whenTrue),
          colonToken,
          before(whenFalse),
        );
      }
      if (ts.isBinaryExpression(node) && isShortCircuit(node.operatorToken.kind)) {
        return factory.updateBinaryExpression(node, node.left, node.operatorToken, before(node.right));
      }
      return node;
    };
    return ts.visitEachChild(file, visit, context);
  };
}

function isShortCircuit(kind: ts.SyntaxKind): boolean {
  return (
    kind === ts.SyntaxKind.AmpersandAmpersandToken ||
    kind === ts.SyntaxKind.BarBarToken ||
    kind === ts.SyntaxKind.QuestionQuestionToken
  );
}
